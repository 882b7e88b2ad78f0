"""Which worker is stuck, and for which room: judged from its slot, with time as an argument."""

from __future__ import annotations

import pytest

from server.host.failure_detector import SILENCE_LEAST_S
from server.watch_page import Mark, Slot
from server.watchdog import (
    BEAT_SHARED_S,
    LOOK_MAX_S,
    Hang,
    Watched,
    look_s,
    place_in_stack,
)

LIMIT_S = 5.0
STEP = look_s(LIMIT_S)
ROOM, OTHER = Mark("coins123", "step", "coins"), Mark("pond4567", "publish", "pond")


def slot(beats: int, mark: Mark | None = None, *, traced: bool = False) -> Slot:
    return Slot(beats, traced, False, "local-1-abcd", mark)


def looks(watched: Watched, slots: list[Slot], step_s: float = STEP) -> list[Hang | None]:
    """What it says of one slot after the other, each `step_s` later."""
    return [watched.look(number * step_s, one) for number, one in enumerate(slots)]


def test_a_loop_that_turns_is_left_alone_whatever_it_works_for() -> None:
    slots = [slot(number // 2 + 1, ROOM) for number in range(1000)]
    assert set(looks(Watched(LIMIT_S), slots)) == {None}


def test_one_that_is_silent_for_the_limit_hangs_in_the_room_it_is_in() -> None:
    found = looks(Watched(LIMIT_S), [slot(7, ROOM)] * 25)
    first = next(index for index, hang in enumerate(found) if hang is not None)
    assert first * STEP == pytest.approx(LIMIT_S, abs=2 * STEP)
    hang = found[first]
    assert hang is not None
    assert hang.mark == ROOM


def test_one_that_is_silent_in_no_room_convicts_none() -> None:
    hangs = [hang for hang in looks(Watched(LIMIT_S), [slot(7)] * 25) if hang]
    assert hangs
    assert {hang.mark for hang in hangs} == {None}


def test_rooms_that_are_slow_together_are_no_single_rooms_fault() -> None:
    turns = [slot(7, (ROOM, OTHER, None)[number % 3]) for number in range(25)]
    hangs = [hang for hang in looks(Watched(LIMIT_S), turns) if hang]
    assert hangs
    assert {hang.mark for hang in hangs} == {None}


def test_the_room_that_took_most_of_the_silence_is_the_one() -> None:
    turns = [slot(7, OTHER)] * 3 + [slot(7, ROOM)] * 22
    hangs = [hang for hang in looks(Watched(LIMIT_S), turns) if hang]
    assert {hang.mark for hang in hangs} == {ROOM}


def test_one_that_has_not_begun_to_beat_loads_its_games_for_as_long_as_that_takes() -> None:
    assert set(looks(Watched(LIMIT_S), [slot(0, ROOM)] * 1000)) == {None}


def test_one_that_is_debugged_stands_still_for_as_long_as_its_author_thinks() -> None:
    assert set(looks(Watched(LIMIT_S), [slot(7, ROOM, traced=True)] * 1000)) == {None}


def test_a_supervisor_that_slept_itself_did_not_watch_meanwhile() -> None:
    """A laptop's lid, a frozen container: the workers were frozen as well."""
    watched = Watched(LIMIT_S)
    assert watched.look(0.0, slot(7, ROOM)) is None
    assert watched.look(3600.0, slot(7, ROOM)) is None
    assert watched.look(3600.0 + STEP, slot(8, ROOM)) is None


def test_looks_are_frequent_for_a_short_limit_and_rare_enough_for_a_long_one() -> None:
    assert look_s(0.5) < 0.5 / 5
    assert look_s(3600.0) == LOOK_MAX_S


STACK = """Thread 0x00007f2f0b7fe6c0 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 975 in run

Current thread 0x00007f2f0e0a8740 (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 166 in match
  File "/home/ada/games/walk.py", line 24 in crowd
  File "/home/ada/games/walk.py", line 12 in step
  File "/srv/server/core/room.py", line 197 in _call
"""


def test_the_place_is_the_innermost_line_of_the_games_own_and_the_hook_the_outermost() -> None:
    assert place_in_stack(STACK, {"/home/ada/games"}) == ("step", "walk.py:24")


def test_a_stack_without_the_games_files_has_no_place() -> None:
    assert place_in_stack(STACK, {"/home/bob"}) == ("", "")
    assert place_in_stack("", {"/home/ada/games"}) == ("", "")


def test_a_short_silence_in_one_room_is_told_and_taken_back() -> None:
    """Others may be about to take the room over, long before it counts as a hang."""
    watched = Watched(LIMIT_S, BEAT_SHARED_S)
    found: list[Mark | None] = []
    for number, one in enumerate([slot(7, ROOM)] * 6 + [slot(8, ROOM)]):
        assert watched.look(number * BEAT_SHARED_S, one) is None
        found.append(watched.stuck)
    assert found == [None, None, None, ROOM, ROOM, ROOM, None]
    assert found.index(ROOM) * BEAT_SHARED_S + BEAT_SHARED_S < SILENCE_LEAST_S - 1 / 20


def test_a_short_silence_in_several_rooms_or_in_none_is_not_told() -> None:
    for marks in ((ROOM, OTHER), (None,)):
        watched = Watched(LIMIT_S, BEAT_SHARED_S)
        for number in range(20):
            watched.look(number * BEAT_SHARED_S, slot(7, marks[number % len(marks)]))
            assert watched.stuck is None
