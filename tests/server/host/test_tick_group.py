"""Rooms of one rate step together, are committed together, and fail alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from server.core.room import SeatRequest
from server.host.tick_group import TickGroup
from shared.errors import CloseCode
from shared.limits import CATCH_UP_TICKS_MAX
from shared.messages import Status
from tests.server.core.yard import Cave, Dot, Yard, nonce
from tests.server.host.rig import Rig, Watcher, player, post
from tests.simulation.loop import VirtualLoop, virtually


def the_phase(rig: Rig) -> TickGroup:
    """The only phase, where the rooms of these tests are put side by side."""
    [[phase]] = rig.host.groups.by_kind.values()
    return phase


async def neighbours(rig: Rig) -> tuple[list[Any], list[Watcher]]:
    """Two rooms in one phase, with a player each."""
    first, one = await rig.room("Ada", private=True)
    second, other = await rig.room("Bob", private=True)
    phases = [phase for phases in rig.host.groups.by_kind.values() for phase in phases]
    if len(phases) == 2:
        # Two rooms get a phase each; here they are to share one.
        moved = phases[1]
        phases[0].rooms += moved.rooms
        moved.rooms.clear()
    await rig.ticks(second, 2)
    return [first, second], [one, other]


def says(words: str) -> Callable[[Any, Watcher], object]:
    return lambda room, watcher: post(room, "Ada", 1, None, words)


def traps(number: int) -> Callable[[Any, Watcher], object]:
    return lambda room, watcher: post(room, "Ada", 1, 0, trap=number)


def enters(name: str) -> Callable[[Any, Watcher], object]:
    return lambda room, watcher: room.obey("", SeatRequest(nonce(name), name))


# Where it happens, whether the room goes on, and what makes it happen to the first room.
FAILURES: list[tuple[str, bool, Callable[[Any, Watcher], object]]] = [
    ("join", True, enters("join!")),
    ("act", True, says("act!")),
    ("step", True, traps(1)),
    ("commit", True, traps(2)),
    ("commit, without the room's row", True, traps(3)),
    ("step, whatever is asked", False, says("fuse 1")),
    # Present nowhere, so it leaves when the grace is over, and raises then.
    ("leave", False, enters("leave!")),
    ("crash in step", False, lambda room, watcher: setattr(room.owned, "_bots", None)),
    ("crash in publish", False, lambda room, watcher: setattr(watcher, "during", crash)),
]


def crash(_: object) -> None:
    raise ZeroDivisionError("a bug of ours")


@pytest.mark.parametrize(("what", "goes_on", "spring"), FAILURES)
def test_a_room_that_fails_does_so_alone(
    what: str,
    goes_on: bool,
    spring: Callable[[Any, Watcher], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        [room, other], [watcher, good] = await neighbours(rig)
        with caplog.at_level(logging.CRITICAL):
            spring(room, watcher)
            await rig.seconds(2)
        failed = rig.metrics.counters.get("rooms_failed_total", 0)
        if goes_on:
            assert (watcher.end, failed) == (None, 0)
            assert rig.metrics.counters["game_errors_total"] == 1
            assert watcher.ticks == list(range(1, room.match.tick + 1))
        else:
            assert watcher.end is not None
            assert (watcher.end[0], failed) == (CloseCode.GAME_FAILED, 1)
        assert ("the server failed, the room ends" in caplog.text) == what.startswith("crash")
        assert good.end is None
        assert good.ticks == list(range(1, other.match.tick + 1))
        gaps = [round(b - a, 6) for a, b in zip(good.times, good.times[1:], strict=False)]
        # The first two may lie closer: the room moved to another phase, which ticks in between.
        assert set(gaps[3:]) == {0.05}, "not a tick of the neighbour's came late"
        await rig.stop()

    virtually(scenario())


def test_a_room_whose_start_fails_never_begins() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        good, watcher = await rig.room("Bob")
        room = await rig.enter("Ada", start="raise")
        ended = Watcher(room, rig.store)
        await rig.seconds(1)
        assert ended.end == (
            CloseCode.GAME_FAILED,
            "Yard.start raised RuntimeError: start fails",
        )
        assert ended.ticks == []
        assert rig.host.rooms() == [good]
        assert watcher.ticks == list(range(1, good.match.tick + 1))
        await rig.stop()

    virtually(scenario())


def test_a_view_that_fails_in_one_room_leaves_the_other_its_ticks() -> None:
    async def scenario() -> None:
        rig = await Rig({"cave": Cave(), "yard": Yard()}).start()
        cave, watcher = await rig.room("Ada", game="cave", bots=2)
        yard, good = await rig.room("Bob")
        post(cave, "Ada", 1, None, "fog 9")
        await rig.seconds(1)
        assert watcher.end is None
        assert rig.metrics.counters["game_errors_total"] > 0
        assert watcher.ticks == list(range(1, cave.match.tick + 1))
        assert good.ticks == list(range(1, yard.match.tick + 1))
        await rig.stop()

    virtually(scenario())


def test_the_rooms_of_a_phase_are_one_write() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        rooms, _ = await neighbours(rig)
        rig.store.batches.clear()
        await rig.ticks(rooms[0], 5)
        assert [[one.room for one in batch] for batch in rig.store.batches] == [
            [room.id for room in rooms]
        ] * 5
        await rig.stop()

    virtually(scenario())


def test_while_the_store_is_away_rooms_pause_visibly_and_nothing_is_dropped() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        [room, _], watchers = await neighbours(rig)
        post(room, "Ada", 1, 2)
        rig.store.away = True
        await rig.seconds(3)
        heard = [list(watcher.ticks) for watcher in watchers]
        assert [watcher.statuses for watcher in watchers] == [[Status.PAUSED]] * 2
        for seq in (2, 3):
            post(room, "Ada", seq, 2)
        rig.store.away = False
        await rig.seconds(2)
        assert [watcher.statuses for watcher in watchers] == [[Status.PAUSED, Status.LIVE]] * 2
        for watcher, before in zip(watchers, heard, strict=True):
            assert watcher.end is None
            assert watcher.ticks == list(range(1, watcher.ticks[-1] + 1)), "no tick is missing"
            assert len(watcher.ticks) > len(before) + 10
        row = player(room, "Ada")
        assert (row.input_seq, row.inputs_applied, row.inputs_skipped) == (3, 3, 0)
        # Held for three ticks after the last one: as though nothing had happened.
        assert room.match.one(Dot).x == (3 + 3) * 2 / 4
        await rig.stop()

    virtually(scenario())


def test_a_bug_of_the_stores_client_ends_the_rooms_it_was_asked_for_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        rooms, watchers = await neighbours(rig)

        async def broken(batch: object) -> None:
            raise RuntimeError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr(rig.store, "append", broken)
            await rig.seconds(0.1)
        assert [room.owned for room in rooms] == [None, None]
        for watcher in watchers:
            assert watcher.end is not None
            assert watcher.end[0] is CloseCode.UNAVAILABLE, "come again: the journal is whole"
        later, _ = await rig.room("Cid", private=True)
        before = later.match.tick
        await rig.seconds(1)
        assert later.match.tick > before + 10, "the group goes on"
        await rig.stop()

    virtually(scenario())


def test_a_stall_is_made_up_for_by_a_few_ticks_and_the_rest_is_over() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        await rig.ticks(room, 1)

        ended: list[float] = []

        def stall(_: object) -> None:
            loop.now_s += 1.02
            ended.append(loop.now_s)
            watcher.during = lambda publication: None

        watcher.during = stall
        await rig.ticks(room, 1)
        await rig.seconds(0.001)
        assert watcher.times.count(ended[0]) == CATCH_UP_TICKS_MAX
        assert rig.metrics.counters["ticks_skipped_total"] == 20 - CATCH_UP_TICKS_MAX
        await rig.ticks(room, 2)
        assert watcher.ticks == list(range(1, room.match.tick + 1)), "numbers have no hole"
        phase = [round(time / 0.05, 6) % 1 for time in watcher.times[-2:]]
        assert phase == [round(watcher.times[0] / 0.05, 6) % 1] * 2, "the phase is kept"
        await rig.stop()

    virtually(scenario())


def test_a_phase_stops_after_the_tick_it_is_in() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        rig.store.answering.clear()
        await rig.seconds(0.2)
        the_phase(rig).stop()
        await rig.seconds(1)
        assert room.match.tick == watcher.ticks[-1] + 1
        rig.store.answering.set()
        await rig.seconds(1)
        assert watcher.ticks[-1] == room.match.tick
        last = room.match.tick
        await rig.seconds(1)
        assert room.match.tick == last
        await rig.stop()

    virtually(scenario())


def test_a_phase_without_rooms_writes_nothing() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        room.fail("for this test")
        await rig.seconds(0.2)
        assert watcher.end == (CloseCode.GAME_FAILED, "for this test")
        rig.store.batches.clear()
        await rig.seconds(1)
        assert rig.store.batches == []
        await rig.stop()

    virtually(scenario())
