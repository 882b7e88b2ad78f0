"""Patrol: the simulator's game. Cheap rows of every audience, every hook, and a will of its own.

Each hook first asks the world's `mischief`, which may raise or let time pass, as a game's bug does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from holdfast import (
    OWNER,
    SERVER,
    Action,
    Entity,
    Game,
    Input,
    Inputs,
    Match,
    Options,
    Player,
    Refused,
    Room,
    bounded,
    fixed,
    flag,
    ref,
    text,
    u8,
    u16,
)


class Guard(Entity):
    x: float = fixed(1 / 16)
    orders: int = u8(to=OWNER)
    steps: int = u16(to=SERVER)


class Lamp(Entity):
    lit: bool = flag()
    by: int = ref(Guard)


class Watch(Room):
    nights: int = u16()


class Keeper(Player):
    calls: int = u16()
    word: str = text(12)


class Walk(Input):
    dx: int = bounded(-1, 1)


class Call(Action):
    word: str = text(12)


class Night(Options):
    short: bool = flag()
    again: bool = flag()


class Patrol(Game):
    """The rules; a world makes classes of its own from them, with its `mischief`."""

    entities = Guard, Lamp
    input = Walk
    actions = (Call,)
    room = Watch
    player = Keeper
    options = Night
    seats = 4
    tick_rate = 10
    room_empty_s = 1.0
    finished_s = 2.0
    mischief: Callable[[str, Match], None]

    def start(self, match: Match) -> None:
        self.mischief("start", match)
        for _ in range(2):
            match.spawn(Lamp())

    def migrate(self, match: Match, version: str) -> None:
        self.mischief("migrate", match)
        match.room.nights += 100

    def join(self, match: Match, player: Keeper) -> None:
        self.mischief("join", match)
        match.spawn(Guard(owner=player, orders=match.rng.randrange(200)))

    def leave(self, match: Match, player: Keeper) -> None:
        self.mischief("leave", match)
        super().leave(match, player)

    def act(self, match: Match, player: Keeper, action: Call) -> None:
        self.mischief("act", match)
        if action.word == player.word:
            raise Refused("said that already")
        player.calls = (player.calls + 1) % 60000
        player.word = action.word

    def step(self, match: Match, inputs: Inputs[Walk]) -> None:
        self.mischief("step", match)
        guards = match.all(Guard)
        for guard in guards:
            dx = inputs[guard.owner].dx
            if dx:
                guard.x = max(-20.0, min(20.0, guard.x + dx / 4))
                guard.steps = (guard.steps + 1) % 60000
        if match.tick % 8 == 0 and guards:
            self._light(match, guards)
        if match.options.short and match.room.finished == 0 and match.tick % 40 == 39:
            match.finish({"nights": match.room.nights})
        elif match.options.again and match.tick == match.room.finished + 8:
            match.restart()

    def _light(self, match: Match, guards: list[Guard]) -> None:
        """Lamps come and go, so that ids are used up and gone ones are told."""
        lamps = match.all(Lamp)
        match.despawn(lamps[0])
        guard = match.rng.choice(guards)
        guard.orders = match.rng.randrange(200)
        match.spawn(Lamp(lit=match.rng.random() < 0.5, by=guard.id))
        match.room.nights = (match.room.nights + 1) % 60000


class Fog(Patrol):
    """Patrol where a player sees the guards nearby only."""

    tick_rate = 20

    def visible(self, match: Match, player: Any) -> Iterable[Entity] | None:
        self.mischief("visible", match)
        if player is None:
            return match.all(Lamp)
        own = match.all(Guard, owner=player)
        near = own[0].x if own else 0.0
        return [*match.all(Lamp), *(g for g in match.all(Guard) if abs(g.x - near) < 3)]


class Dash(Patrol):
    """Patrol that may run ahead of its journal."""

    journal_lag_ticks_max = 6


def rules(kind: type[Patrol], mischief: Callable[[str, Match], None], version: str) -> Patrol:
    """A game of this kind in one world; version "2" takes rooms of version "1" over."""
    made = type(
        kind.__name__,
        (kind,),
        {
            "mischief": staticmethod(mischief),
            "version": version,
            "compatible": tuple(str(n) for n in range(1, int(version))),
            "__doc__": kind.__doc__,
        },
    )
    game: Patrol = made()
    game.check()
    return game
