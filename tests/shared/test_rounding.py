"""A field whose changes the grid swallows is named, once, and nothing else is."""

from __future__ import annotations

from shared.entities import Entity, Room
from shared.fields import fixed
from shared.game import Game
from shared.inputs import Options
from shared.match import Match
from shared.rounding import SWALLOWED_TICKS, WATCHED_MAX, RoundingWatch


class Snail(Entity):
    x: float = fixed(0.01)
    y: float = fixed(0.01)


class Snails(Game):
    entities = (Snail,)


def crawl(ticks: int, speed_x: float, speed_y: float) -> list[str]:
    told: list[str] = []
    match = Match(Snails(), Options(), 1)
    match.watch_rounding(RoundingWatch(told.append))
    match.begin_tick()
    match.spawn(Room())
    snails = [match.spawn(Snail()) for _ in range(3)]
    match.commit()
    for _ in range(ticks):
        match.begin_tick()
        for snail in snails:
            snail.x += speed_x
            snail.y += speed_y
        match.commit()
        match.delta(0)
    return told


def test_swallowed_motion_is_named_once() -> None:
    told = crawl(4 * SWALLOWED_TICKS, 0.0033, 0.05)
    assert len(told) == 1
    assert told[0].startswith("Snail.x was written in 5 ticks running")
    assert "1/100" in told[0]


def test_too_few_ticks_say_nothing() -> None:
    assert crawl(SWALLOWED_TICKS - 1, 0.0033, 0.05) == []


def test_motion_and_rest_say_nothing() -> None:
    assert crawl(4 * SWALLOWED_TICKS, 0.05, 0.0) == []


def test_what_arithmetic_leaves_over_says_nothing() -> None:
    assert crawl(4 * SWALLOWED_TICKS, 1e-17, 0.05) == []
    assert crawl(4 * SWALLOWED_TICKS, 1e-10, 0.05) == []


def test_one_that_drifts_among_many_that_move_says_nothing() -> None:
    told: list[str] = []
    watch = RoundingWatch(told.append)
    for tick in range(4 * SWALLOWED_TICKS):
        watch.see("Mote.x", [1, 2], [0.003, 0.5 * tick], [0.0, 0.5 * tick], 100)
    assert told == []


def test_what_is_watched_is_bounded() -> None:
    told: list[str] = []
    watch = RoundingWatch(told.append)
    ids = list(range(WATCHED_MAX + 10))
    zeros = [0.0] * len(ids)
    for _ in range(2 * SWALLOWED_TICKS):
        watch.see("Mote.x", ids, [0.001] * len(ids), zeros, 100)
    assert len(watch._last) <= WATCHED_MAX + len(ids)
