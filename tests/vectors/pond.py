"""A pond of ducks: a game with all that is drawn between ticks, jumps, bounds and events."""

from __future__ import annotations

from typing import Any

from holdfast import (
    OWNER,
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    Player,
    angle,
    bounded,
    fixed,
    u8,
)

EDGE = 6.0


class Duck(Entity):
    x: float = fixed(1 / 64, lo=-EDGE, hi=EDGE, snap=4.0)
    y: float = fixed(1 / 1024)
    heading: float = angle()
    dives: int = u8()
    hunger: int = u8(to=OWNER)


class Splash(Event):
    x: float = fixed(1 / 64)


class Paddle(Input):
    go: int = bounded(-1, 1)
    turn: int = bounded(-1, 1)


def paddle(duck: Any, pull: Any, dt: float) -> None:
    """One tick of one duck; tests/client/drawn.test.js has the same in JavaScript."""
    duck.heading += pull.turn * 3 * dt
    duck.x = max(-EDGE, min(EDGE, duck.x + pull.go * 4 * dt))
    duck.y += pull.go * 0.7 * dt
    duck.dives = (duck.dives + (pull.turn != 0)) % 200


REWIND_TICKS = 10
"""What the server says to clients about its past; nothing is shot at here."""


class Pond(Game):
    entities = Duck, Splash
    input = Paddle
    # Longer than any halt here: what the own duck does is by its inputs alone.
    input_hold_ticks = 3
    event_ticks = 12

    def start(self, match: Match) -> None:
        for number in range(4):
            match.spawn(Duck(x=1.5 * number, y=number, heading=number))

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Duck(owner=player))

    def step(self, match: Match, inputs: Inputs[Paddle]) -> None:
        ducks = match.all(Duck)
        for number, duck in enumerate(ducks):
            if duck.owner:
                paddle(duck, inputs[duck.owner], match.dt)
                continue
            # One drives against the edge and back, one turns about, one jumps, one walks by chance.
            if number == 0:
                ahead = match.tick // 40 % 2
                duck.x = max(-EDGE, min(EDGE, duck.x + (5 if ahead else -5) * match.dt))
            elif number == 1:
                duck.heading += 2.5 * match.dt
                duck.y += match.dt
            elif number == 2 and match.tick % 17 == 0:
                duck.x, duck.dives = -duck.x + match.rng.uniform(-1, 1), duck.dives + 1
                match.spawn(Splash(x=duck.x))
            else:
                duck.y += match.rng.uniform(-1, 1) * match.dt
        # One more, and gone again.
        if match.tick % 31 == 5:
            match.spawn(Duck(x=1, y=-1))
        elif match.tick % 31 == 23:
            match.despawn(ducks[-1])
