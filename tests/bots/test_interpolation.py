"""Interpolation and the schedule in Python: what is shown between ticks, and that it runs smoothly.

tests/vectors/drawn holds both languages to the same rows; here is what these are to be.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import pi
from typing import Any

import pytest

from bots.interpolation import Playback, add, gap, move
from bots.schedule import Schedule
from bots.timeline import ServerClock
from shared.match import Match
from shared.view import View
from tests.shared.ends import framed, show, view_of
from tests.vectors.pond import Duck, Pond, Splash

TICK_S = 0.05
X, HEADING = Duck._fields["x"], Duck._fields["heading"]


class Water:
    """A pond whose ducks are moved by hand, and a playback of what a spectator sees."""

    def __init__(self, x: float, y: float = 0.0) -> None:
        self.match = Match(Pond(), Pond.options(), 1)
        self.match.begin_tick()
        self.match.spawn(self.match.game.room())
        self.duck = self.match.spawn(Duck(x=x, y=y))
        self.match.commit()
        self.view = view_of(self.match, 0)
        show(self.view, framed(self.match, 0, 0))
        self.playback = Playback(self.view)
        self.moved = False

    def tick(self, **where: float) -> None:
        """The duck is elsewhere, and the playback hears of it."""
        held = self.match.tick
        self.match.begin_tick()
        for name, value in where.items():
            setattr(self.duck, name, value)
        self.match.commit()
        show(self.view, framed(self.match, held, 0))
        self.playback.push(self.view)

    def at(self, tick: float, passed_s: float = 0.0) -> Any:
        """The duck as it is drawn."""
        return self.playback.seek(tick, passed_s).get(Duck, self.duck.id)


def test_fixed_moves_straight_angle_the_short_way_and_what_snaps_waits() -> None:
    assert move(X, 0.0, 2.0, 0.25) == 0.5
    assert move(X, 0.0, 4.5, 0.5) == 0.0
    assert move(HEADING, 3.0, -3.0, 0.75) == pytest.approx(3 + 0.75 * (2 * pi - 6) - 2 * pi)
    assert move(HEADING, 3.0, -3.0, 0.1) > 3
    assert add(X, 5.5, 2.0) == 6.0
    assert add(HEADING, 3.0, 1.0) == pytest.approx(4 - 2 * pi)


def test_a_gap_is_none_where_nothing_differs_or_it_is_a_jump() -> None:
    fields = {"x": X}
    assert gap(fields, Duck(x=1), Duck(x=0.5)) == {"x": 0.5}
    assert gap(fields, Duck(x=1), Duck(x=1)) is None
    assert gap(fields, Duck(x=5), Duck(x=0.5)) is None


def test_a_view_between_two_ticks_has_the_methods_of_a_view() -> None:
    water = Water(x=1, y=2)
    water.tick(x=2, dives=3)
    playback = water.playback
    half = playback.seek(1.5)
    duck = half.one(Duck)
    assert duck is not None
    assert (half.tick, half.player, half.me) == (1.5, 0, None)
    assert (duck.x, duck.y, duck.dives) == (1.5, 2, 0), "what does not move waits for its tick"
    assert half.get("Duck", duck.id) is duck
    assert half.all(Duck) == [duck]
    assert half.all(Duck, owner=7) == []
    assert half.one(Duck, owner=7) is None
    assert half.get(Duck, 999) is None
    assert (half.count(Duck), half.count("Splash")) == (1, 0)
    assert half.names == water.view.names
    assert half.room is not None
    assert half.players == []
    assert water.at(2).dives == 3
    with pytest.raises(KeyError, match="no table Goose"):
        half.all("Goose")


def test_rows_come_and_go_with_their_tick_and_those_kept_never_change() -> None:
    water = Water(x=1)
    water.tick(x=2)
    water.match.open_rows()
    water.match.spawn(Splash(x=1))
    water.tick(x=3)
    assert water.playback.seek(2.9).count(Splash) == 0
    assert water.playback.seek(3).count(Splash) == 1
    assert water.at(1).x == 1
    assert water.view.get(Duck, water.duck.id).x == 3  # type: ignore[union-attr]


def test_a_tick_before_what_is_held_shows_the_oldest_and_a_tick_told_again_replaces() -> None:
    water = Water(x=1)
    water.tick(x=2)
    assert water.at(0.5).x == 1
    assert water.at(2).x == 2
    water.playback.push(water.view)
    assert water.playback.newest == 2
    older = water.view.still()
    older.tick = 1
    water.playback.push(older)
    assert water.playback.newest == 1
    assert water.at(9).x == 2


def test_what_moves_steadily_goes_on_and_a_wrong_guess_fades() -> None:
    water = Water(x=0)
    for x in (1, 2):
        water.tick(x=x)
    assert water.at(3.5).x == 2.5
    water.tick(x=2)
    drawn = [water.at(4, 0.02).x for _ in range(40)]
    assert 2.4 < drawn[0] < 2.5, "it stays where it was drawn, and fades into where it is"
    assert all(before >= after for before, after in pairwise(drawn))
    assert drawn[-1] == 2


@pytest.mark.parametrize("xs", [(1, 1), (1, -1), (5, 5.5)], ids=["halts", "turns", "jumps"])
def test_what_does_not_move_steadily_stays(xs: tuple[float, float]) -> None:
    water = Water(x=0)
    for x in xs:
        water.tick(x=x)
    assert water.at(4).x == xs[-1]


def test_rows_alike_are_kept_once() -> None:
    water = Water(x=1)
    first = water.view.still()
    water.match.open_rows()
    water.match.spawn(Duck(x=5))
    water.tick()
    second = water.view.still(first)
    assert second.get(Duck, water.duck.id) is first.get(Duck, water.duck.id)
    assert (first.count(Duck), second.count(Duck)) == (1, 2)


Shown = list[tuple[float, float, int]]


def play(schedule: Schedule, arrivals: list[tuple[int, float]], until_s: float) -> Shown:
    """(seconds, tick shown, newest tick) at 60 Hz, of frames that arrive at these times."""
    shown: Shown = []
    newest, at, left = 0, 0.0, list(arrivals)
    while at < until_s:
        while left and left[0][1] <= at:
            newest, came_s = left.pop(0)
            schedule.clock.arrived(newest, came_s)
        if newest:
            shown.append((at, schedule.playback(at, newest), newest))
        at += 1 / 60
    return shown


def even(
    first: int, end: int, late_s: Callable[[int], float] = lambda _: 0.0
) -> list[tuple[int, float]]:
    """Frames that arrive as their ticks happen, and so much later."""
    return [(tick, tick * TICK_S + late_s(tick)) for tick in range(first, end)]


def test_even_frames_play_at_the_servers_pace_one_frame_behind() -> None:
    shown = play(Schedule(ServerClock(20), 1), even(1, 60), 2.9)[30:]
    for (_, before, _), (_, tick, newest) in pairwise(shown):
        assert tick - before == pytest.approx(1 / 3, abs=0.01)
        assert newest - tick < 1.5


def test_jitter_widens_the_delay_until_playback_no_longer_halts() -> None:
    lates = (0.0, 0.03, 0.005, 0.045, 0.01, 0.04)
    schedule = Schedule(ServerClock(20), 1)
    shown = play(schedule, even(1, 200, lambda tick: lates[tick % 6]), 9.0)[120:]
    assert all(0 < tick - before < 0.4 for (_, before, _), (_, tick, _) in pairwise(shown))
    assert 1.6 <= schedule.delay <= 2.0


def test_playback_never_goes_back_nor_far_beyond_the_newest_through_a_halt() -> None:
    frames = [*even(1, 40), *even(40, 120, lambda _: 3.0)]
    shown = play(Schedule(ServerClock(20), 1), frames, 8.0)
    assert all(
        before <= tick <= newest + 4 for (_, before, _), (_, tick, newest) in pairwise(shown)
    )
    assert any(tick > newest for _, tick, newest in shown)
    assert all(newest - tick < 1.5 for at, tick, newest in shown if at > 7), "it is not caught up"


def test_a_tick_that_went_back_begins_anew() -> None:
    schedule = Schedule(ServerClock(20), 1)
    assert schedule.playback(0.0, 7) == 7, "before there is a clock, the newest"
    play(schedule, even(1, 40), 2.0)
    schedule.reset()
    schedule.clock.reset()
    schedule.clock.arrived(5, 2.1)
    assert schedule.playback(2.1, 5) <= 5


def test_a_view_that_stays_is_a_view() -> None:
    water = Water(x=1)
    still: View = water.view.still()
    assert still.digest() == water.view.digest()
    water.tick(x=2)
    assert still.digest() != water.view.digest()
    assert still.tick == 1


@pytest.mark.parametrize("told", [True, False])
def test_after_quiet_ticks_what_moves_is_drawn_as_if_each_had_brought_a_frame(told: bool) -> None:
    where = [4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.5, 5.0, 5.0, 5.0, 5.0, 5.0]
    dense, sparse = Water(4.0), Water(4.0)
    seen: list[tuple[float, float]] = []
    for x in where:
        dense.tick(x=x)
        held, changed = sparse.view.tick, x != sparse.duck.x
        stopped = sparse.playback.newest == sparse.match.tick and sparse.moved
        sparse.match.begin_tick()
        sparse.duck.x = x
        sparse.match.commit()
        tick = sparse.match.tick
        if changed or stopped or tick - held >= 4:
            show(sparse.view, framed(sparse.match, held, 0))
            sparse.playback.push(sparse.view, tick - 1 if told and held < tick - 1 else 0)
        sparse.moved = changed
        for part in (0.25, 0.5, 0.75):
            at = tick - 2 + part
            if at >= 1:
                seen.append((dense.at(at).x, sparse.at(at).x))
    same = all(one == other for one, other in seen)
    assert same is told, "untold, the first step is smeared over the ticks before it"
    assert len({one for one, _ in seen}) > 4
