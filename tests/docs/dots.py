"""The game and the messages of the worked examples in docs/PROTOCOL.md, made by the code."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast import (
    OWNER,
    Action,
    Entity,
    Game,
    Input,
    Inputs,
    Match,
    Player,
    Refused,
    bounded,
    fixed,
    text,
    u8,
)
from server.core.fanout import Fanout
from shared import messages
from shared.errors import CloseCode
from shared.history import Refusal
from shared.messages import InputItem
from shared.schema import describe
from shared.session import ServerSession

NONCE = bytes(range(16))
TOKEN = bytes.fromhex("0123456789abcdef")
EPOCH = 1_780_000_000_000
ROOM = "4tq7mzk2w9pd6xhc3rvb"


class Dot(Entity):
    x: float = fixed(1 / 4)
    card: int = u8(to=OWNER)


class Push(Input):
    by: int = bounded(-1, 1)


class Say(Action):
    words: str = text(20)


class Dots(Game):
    entities = (Dot,)
    past_entities = (Dot,)
    input = Push
    actions = (Say,)

    def join(self, match: Match, player: Player) -> None:
        for place in range(8):
            match.spawn(Dot(owner=player if place == 0 else 0, x=place / 4, card=7))

    def act(self, match: Match, player: Player, action: Say) -> None:
        raise Refused("not now")

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        for dot in match.all(Dot):
            dot.x += inputs[dot.owner].by

    def visible(self, match: Match, player: Player | None) -> Iterable[Dot]:
        return [dot for dot in match.all(Dot) if dot.x < 2]


def examples() -> dict[str, bytes]:
    """Two ticks of Dots as one player sees them, and one message of every other kind, by name."""
    game = Dots()
    match = Match(game, game.options(), seed=1)
    match.begin_tick()
    match.spawn(game.room())
    player = match.spawn(game.player(name="Ada"))
    game.join(match, player)
    session = ServerSession(player.id, 0, 0, 1, 1)
    first = Fanout(match, match.commit()).frame(session)
    match.begin_tick()
    dots = match.all(Dot)
    dots[0].x, dots[1].x = 1.25, 3.0
    match.despawn(dots[2])
    player.input_seq = 2
    fanout = Fanout(match, match.commit([Refusal(player.id, 2, 1, "not now")]))
    second = fanout.frame(session)
    return {
        "JOIN": messages.Join(NONCE, "dots", {"bots": 2}, "Ada", build="example/1").encode(),
        "RESUME": messages.Resume(TOKEN, EPOCH, 2, 3).encode(),
        "INPUT": messages.InputMessage(
            1, (InputItem(1, [1]), InputItem(2, [-1], ([0, "hi"],), 1))
        ).encode(),
        "TIME to the server": messages.Time(1234.5).encode(),
        "LEAVE": messages.Leave().encode(),
        "WELCOME": messages.Welcome(
            TOKEN,
            ROOM,
            EPOCH,
            player.id,
            game.tick_rate,
            game.send_every,
            describe(game),
            (16_384, 64, 8, 128, game.rewind_ticks),
        ).encode(),
        "FRAME from nothing": first,
        "FRAME": second,
        "RENEW": messages.Renew(60_000).encode(),
        "TIME to the client": messages.TimeAnswer(1234.5, 98765.25, 2).encode(),
        "ROOM": messages.RoomStatus(EPOCH, 2, messages.Status.PAUSED).encode(),
        "DIGEST": messages.Digest(2, fanout.digest(session)).encode(),
        "PART": messages.Part(0, 2, first[:16]).encode(),
        "CLOSE": messages.Close(CloseCode.UNAVAILABLE, "the store is away", 2000).encode(),
    }
