"""A recorded session of a small world with walls, for what shows one: bytes as a server sends."""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from random import Random

from bots.bot import Bot
from bots.brains import load_brain
from bots.websocket import Receiver, Socket
from holdfast import (
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    angle,
    fixed,
    flag,
    text,
    u8,
    u16,
)
from shared.chunks import pack, unpack_stored
from shared.messages import Join, Role, Welcome
from shared.schema import describe
from tests.bots.clock import TestClock
from tests.shared.ends import framed

ROOM = "pnr6t4w97s3szuqmw7cd"


class Wall(Entity):
    x: float = fixed(1 / 8)
    y: float = fixed(1 / 8)
    w: float = fixed(1 / 8)
    h: float = fixed(1 / 8)


class Cart(Entity):
    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)
    load: int = u16()
    laden: bool = flag()


class Arrow(Entity):
    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)
    heading: float = angle()


class Note(Entity):
    words: str = text(60)


class Bang(Event):
    size: int = u8()


class Yard(Game):
    """Nothing moves by itself: the test moves it."""

    title = "Yard"
    entities = Wall, Cart, Arrow, Note, Bang

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        pass


class Recording:
    """A match, and a bot that sees it: `tick` commits what was done and shows the bot the frame."""

    def __init__(self, *names: str) -> None:
        self.clock = TestClock()
        self.match = Match(Yard(), Yard().options(), seed=1)
        self.bot = Bot(
            "ws://localhost:1/play",
            Join(bytes(16), "yard", {}, "bot 1", Role.PLAYER),
            load_brain("wanderer"),
            connect=_nowhere,
            clock=self.clock,
            rng=Random(1),
        )
        self.match.begin_tick()
        self.match.spawn(self.match.game.room())
        self.players = [self.match.spawn(self.match.game.player(name=name)) for name in names]
        self.match.commit()

    def begin(self) -> None:
        """The bot is seated as the first player and sees everything there is."""
        schema = unpack_stored(pack(describe(self.match.game)))
        player = self.players[0].id
        self.bot.session.receive(Welcome(b"token", ROOM, 1, player, 20, 1, schema).encode())
        self.bot.welcomed()
        self._show(0)

    def tick(self, *deeds: Callable[[], object]) -> None:
        """Do this, commit it, and show the bot the frame 50 ms later."""
        held = self.match.tick
        self.match.begin_tick()
        for deed in deeds:
            deed()
        self.match.commit()
        self._show(held)

    def _show(self, held: int) -> None:
        self.clock.now_s += 0.05
        frame = framed(self.match, held, self.players[0].id)
        self.bot.framed(self.bot.session.receive(frame))


def furnished() -> Recording:
    """Two players with a cart each, two walls, an arrow and a note; the bot has seen all of it."""
    made = Recording("Ada", "Bob")
    match, (ada, bob) = made.match, made.players
    match.begin_tick()
    match.spawn(Wall(x=-20, y=-10, w=40, h=2))
    match.spawn(Wall(x=10, y=0, w=2, h=6))
    match.spawn(Cart(owner=ada, x=0, y=0, load=7))
    match.spawn(Cart(owner=bob, x=-15, y=5, load=12, laden=True))
    match.spawn(Arrow(owner=bob, x=-8, y=-3, heading=pi / 2))
    match.spawn(Note(words="hello there"))
    match.commit()
    made.begin()
    return made


async def _nowhere(url: str, receiver: Receiver) -> Socket:
    del receiver
    raise OSError(f"nobody listens at {url}")
