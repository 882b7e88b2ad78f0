"""The page that workers are watched by: slots, marks and convictions, as two processes see them."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from server.watch_page import (
    CONVICTIONS,
    GAME_HANGS_MAX,
    GAME_WINDOW_S,
    Conviction,
    Mark,
    PageSuspicion,
    WatchPage,
)

ROOM, OTHER = "coins123", "pond4567"


@pytest.fixture
def page() -> Generator[WatchPage, None, None]:
    made = WatchPage.make()
    yield made
    made.close()


def conviction(
    room: str = ROOM, owner: str = "local-1-abcd", worker: int = 1, game: str = "coins"
) -> Conviction:
    return Conviction(room, game, "step", "walk.py:24", owner, worker, 1000.0, 5.04)


def test_what_a_worker_writes_is_read_through_the_same_file(page: WatchPage) -> None:
    writer = page.writer(2, "local-2-abcd")
    other = WatchPage(os.dup(page.fd))
    assert other.slot(2).beats == 0
    writer.beat(traced=False)
    writer.beat(traced=True)
    writer.enter(ROOM, "coins", "step")
    seen = other.slot(2)
    assert (seen.beats, seen.traced, seen.name) == (2, True, "local-2-abcd")
    assert seen.mark == Mark(ROOM, "step", "coins")
    writer.enter(OTHER, "pond", "publish")
    assert other.slot(2).mark == Mark(OTHER, "publish", "pond")
    writer.leave()
    assert other.slot(2).mark is None
    assert other.slot(1).name == ""
    other.close()


def test_the_next_process_begins_with_an_empty_slot_beside_full_ones(page: WatchPage) -> None:
    for number in (1, 2, 65):
        page.writer(number, f"local-{number}").enter(ROOM, "coins", "step")
    page.clear(2)
    assert [page.slot(n).mark is None for n in (1, 2, 65)] == [False, True, False]
    assert page.slot(2).name == ""


def test_the_longest_names_fit(page: WatchPage) -> None:
    writer = page.writer(1, "é" * 200)
    writer.enter("a" * 32, "g" * 200, "h")
    mark = page.slot(1).mark
    assert mark is not None
    assert (mark.room, mark.hook) == ("a" * 32, "h")
    assert set(mark.game) == {"g"}
    assert page.slot(2).name == ""


def test_a_conviction_stands_until_it_is_settled_and_is_known_afterwards(page: WatchPage) -> None:
    assert page.convictions() == []
    page.convict(conviction())
    page.convict(conviction(OTHER, worker=2))
    assert [one.room for one in page.convictions()] == [ROOM, OTHER]
    page.settle(conviction())
    assert [one.room for one in page.convictions()] == [OTHER]
    assert [one.room for one in page.known()] == [ROOM, OTHER]
    assert conviction().reason == "coins: step did not return for 5.0 s (walk.py:24)"


def test_old_convictions_make_room_for_new_ones(page: WatchPage) -> None:
    for number in range(CONVICTIONS + 3):
        page.convict(conviction(f"room{number:04d}"))
    rooms = [one.room for one in page.convictions()]
    assert rooms == [f"room{number:04d}" for number in range(3, CONVICTIONS + 3)]


def test_a_room_is_suspect_while_a_neighbour_is_in_it_and_while_its_conviction_stands(
    page: WatchPage,
) -> None:
    mine, theirs = page.writer(1, "a"), page.writer(2, "b")
    suspicion = PageSuspicion(page, 1, 3)
    assert not suspicion.suspects(ROOM)
    theirs.enter(ROOM, "coins", "step")
    assert suspicion.suspects(ROOM)
    assert not suspicion.suspects(OTHER)
    page.convict(conviction(owner="b", worker=2))
    page.clear(2)
    assert suspicion.suspects(ROOM)
    page.settle(conviction(owner="b", worker=2))
    assert not suspicion.suspects(ROOM)
    mine.enter(ROOM, "coins", "step")
    assert not suspicion.suspects(ROOM)


def test_rooms_of_an_owner_that_hangs_in_another_are_blameless(page: WatchPage) -> None:
    theirs = page.writer(2, "b")
    suspicion = PageSuspicion(page, 1, 3)
    assert not suspicion.blameless(OTHER, "b")
    theirs.enter(ROOM, "coins", "step")
    assert suspicion.blameless(OTHER, "b")
    assert not suspicion.blameless(ROOM, "b")
    page.convict(conviction(owner="b", worker=2))
    page.settle(conviction(owner="b", worker=2))
    page.clear(2)
    assert suspicion.blameless(OTHER, "b")
    assert not suspicion.blameless(ROOM, "b")
    assert not suspicion.blameless(OTHER, "c")


def test_a_game_that_hung_again_and_again_is_refused_for_a_while(page: WatchPage) -> None:
    now = [1000.0]
    suspicion = PageSuspicion(page, 1, 3, lambda: now[0])
    for number in range(GAME_HANGS_MAX):
        assert not suspicion.refuses("coins")
        page.convict(conviction(f"room{number:04d}"))
        assert suspicion.refuses("coins"), "until the room is put aside"
        page.settle(conviction(f"room{number:04d}"))
    assert suspicion.refuses("coins")
    assert not suspicion.refuses("pond")
    now[0] += GAME_WINDOW_S + 1
    assert not suspicion.refuses("coins")


def test_a_pardon_forgets_what_was(page: WatchPage) -> None:
    writer = page.writer(2, "b")
    writer.enter(ROOM, "coins", "step")
    page.convict(conviction())
    page.pardon()
    assert page.known() == []
    assert page.slot(2).mark is not None
