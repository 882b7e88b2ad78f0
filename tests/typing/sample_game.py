"""A game as an author writes one, for the type checkers: every form of the contract, strictly.

`assert_type` holds what an editor would show; nothing here is run but once, as a game.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_type

from holdfast import (
    OWNER,
    SERVER,
    Action,
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    Options,
    Player,
    Refused,
    Room,
    View,
    angle,
    bounded,
    fixed,
    flag,
    ref,
    text,
    u8,
    u16,
)


class Driver(Player):
    laps: int = u8()


class Track(Room):
    phase: int = u8()
    winner: int = ref(Driver)


class Car(Entity):
    x: float = fixed(1 / 1024, snap=5)
    y: float = fixed(1 / 1024)
    heading: float = angle()
    boosting: bool = flag()
    fuel: int = u16(100, to=OWNER)
    luck: int = u8(to=SERVER)


class Bump(Event):
    x: float = fixed(1 / 64)
    car: int = ref(Car)


class Steer(Input):
    turn: int = bounded(-1, 1)
    boost: bool = flag()


class Say(Action):
    line: str = text(80)


class Paint(Action):
    colour: int = u8()


class Laps(Options):
    laps: int = bounded(1, 99, 3)


class Race(Game):
    title = "Race"
    entities = Car, Bump
    input = Steer
    actions = Say, Paint
    room = Track
    player = Driver
    options = Laps
    seats = 8
    tick_rate = 30

    def start(self, match: Match) -> None:
        track: Track = match.room
        options: Laps = match.options
        track.phase = options.laps

    def join(self, match: Match, player: Driver) -> None:
        if player.bot and match.count(Car) > 7:
            raise Refused("too many bots")
        car = assert_type(match.spawn(Car(owner=player, x=1.5, heading=match.rng.random())), Car)
        car.owner = player
        car.owner = player.id

    def leave(self, match: Match, player: Driver) -> None:
        for car in match.all(Car, owner=player):
            match.despawn(car)

    def act(self, match: Match, player: Driver, action: Action) -> None:
        if isinstance(action, Say):
            assert_type(action.line, str)
        elif isinstance(action, Paint):
            player.team = action.colour

    def step(self, match: Match, inputs: Inputs[Steer]) -> None:
        for car in match.all(Car):
            steer = assert_type(inputs[car.owner], Steer)
            car.heading += steer.turn * match.dt
            car.boosting = steer.boost
            car.x += 5 * match.dt
            assert_type(car.owner, int)
            assert_type(car.id, int)
            assert_type(car.x, float)
            if car.x > 100:
                match.spawn(Bump(x=car.x, car=car.id))
                driver = assert_type(match.get(Driver, car.owner), Driver | None)
                if driver is not None:
                    driver.laps += 1
                    assert_type(inputs[driver], Steer)
        first = assert_type(match.one(Car), Car | None)
        if first is not None and match.tick > 1000:
            match.room.winner = first.owner
            match.finish({"winner": first.owner})

    def visible(self, match: Match, player: Driver | None) -> Iterable[Entity] | None:
        return None if player is None else [*match.all(Car, owner=player.id), *match.all(Bump)]


def think(view: View) -> Steer:
    """What a brain does with a view."""
    car = assert_type(view.one(Car, owner=view.player), Car | None)
    others = assert_type(view.all(Car), list[Car])
    return Steer(turn=1 if car and others[0].x > car.x else -1, boost=view.count(Bump) == 0)
