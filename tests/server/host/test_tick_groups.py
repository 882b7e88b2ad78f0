"""Rooms that come with a time for their next tick keep it, and groups stay few."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from server.host import tick_group
from server.host.room_handle import RoomHandle
from server.host.tick_group import GROUPS_PER_RATE, NEAR_PERIODS
from tests.server.host.rig import Rig, Watcher
from tests.simulation.loop import virtually

PERIOD_S = 1 / 20


def now() -> float:
    return asyncio.get_running_loop().time()


def off(time_s: float, other_s: float) -> float:
    """How far two moments lie apart within a period."""
    apart = (time_s - other_s) % PERIOD_S
    return round(min(apart, PERIOD_S - apart), 6)


async def taken_out(rig: Rig, name: str) -> tuple[RoomHandle, Watcher]:
    """A room that is in no phase, to be put into one."""
    room, watcher = await rig.room(name, private=True)
    await rig.ticks(room, 2)
    rig.host.groups.remove(room)
    watcher.times.clear()
    return room, watcher


def test_a_room_taken_out_is_stepped_no_more_and_says_when_it_would_have_been() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        await rig.ticks(room, 3)
        left_s = rig.host.groups.remove(room)
        assert now() + left_s == pytest.approx(watcher.times[-1] + PERIOD_S)
        last = room.match.tick
        await rig.seconds(1)
        assert room.match.tick == watcher.ticks[-1] == last
        assert rig.host.groups.remove(room) == 0.0, "it is in none"
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_room_whose_next_tick_is_far_from_any_phase_begins_one(share: float) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await taken_out(rig, "Ada")
        [[phase]] = rig.host.groups.by_kind.values()
        due_s = now() + phase.due_in_s() + share * PERIOD_S
        rig.host.groups.add(room, due_s)
        await rig.seconds(0.5)
        assert watcher.times[0] == pytest.approx(due_s)
        assert len(rig.host.groups.by_kind[20, ""]) == 2
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_room_whose_next_tick_is_near_a_phases_joins_it(share: float) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await taken_out(rig, "Ada")
        [[phase]] = rig.host.groups.by_kind.values()
        due_s = now() + phase.due_in_s() + share * PERIOD_S
        rig.host.groups.add(room, due_s)
        assert rig.host.groups.by_kind == {(20, ""): [phase]}
        await rig.seconds(0.5)
        assert off(watcher.times[0], due_s) <= NEAR_PERIODS * PERIOD_S
        assert watcher.times[0] < due_s + PERIOD_S, "no tick is left out"
        await rig.stop()

    virtually(scenario())


def test_rooms_that_take_little_share_a_group_until_they_take_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        rooms, watchers = zip(
            *[await rig.room(str(n), private=True) for n in range(4)], strict=True
        )
        await rig.seconds(2)
        [[alone]] = rig.host.groups.by_kind.values()
        assert alone.rooms == [*rooms]
        monkeypatch.setattr(tick_group, "SPREAD_LOAD", 0.0)
        await rig.seconds(2)
        assert [group.rooms for group in rig.host.groups.by_kind[20, ""]] == [
            [rooms[0], rooms[2]],
            [rooms[1], rooms[3]],
        ]
        assert off(watchers[0].times[-1], watchers[1].times[-1]) == PERIOD_S / 2
        for watcher in watchers:
            assert watcher.ticks == list(range(watcher.ticks[0], watcher.ticks[-1] + 1))
            apart = {round(b - a, 6) for a, b in pairwise(watcher.times)}
            assert apart <= {PERIOD_S, PERIOD_S / 2}, "nobody waited for longer than a tick"
        await rig.stop()

    virtually(scenario())


def test_when_there_are_enough_phases_the_nearest_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tick_group, "SPREAD_LOAD", 0.0)

    async def scenario() -> None:
        rig = await Rig().start()
        (room, _), (other, _) = await rig.room("Ada"), await rig.room("Bob", private=True)
        assert len(rig.host.groups.by_kind[20, ""]) == GROUPS_PER_RATE
        moved, watcher = await taken_out(rig, "Cid")
        first, second = rig.host.groups.by_kind[20, ""]
        assert (first.rooms, second.rooms) == ([room], [other])
        near = now() + second.due_in_s()
        due_s = near + 0.2 * PERIOD_S
        assert off(now() + first.due_in_s(), due_s) > off(near, due_s) > NEAR_PERIODS * PERIOD_S
        rig.host.groups.add(moved, due_s)
        assert (first.rooms, second.rooms) == ([room], [other, moved])
        await rig.seconds(0.5)
        assert watcher.times
        assert len(rig.host.groups.by_kind[20, ""]) == GROUPS_PER_RATE
        await rig.stop()

    virtually(scenario())


def test_to_stop_ends_every_phase_of_every_rate() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        rooms = [(await rig.room(name, private=True))[0] for name in ("Ada", "Bob")]
        await rig.ticks(rooms[1], 2)
        rig.host.groups.stop()
        await rig.seconds(0.2)
        last = [room.match.tick for room in rooms]
        await rig.seconds(1)
        assert [room.match.tick for room in rooms] == last
        assert all(room.settled for room in rooms)
        await rig.stop()

    virtually(scenario())
