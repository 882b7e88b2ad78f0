"""A room that takes too much of the loop slows down alone, says so, and moves to its like."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import cast

import pytest

from holdfast import Inputs, Match
from server.core.lifecycle import State
from server.host.host import SLOW_LOOK_S
from server.host.room_handle import RoomHandle
from server.store.base import Status
from tests.server.core.yard import Push, Yard
from tests.server.host.pair import Edge
from tests.server.host.rig import Rig, Watcher
from tests.simulation.loop import VirtualLoop, virtually

BUDGET = 0.25


class Heavy(Yard):
    """A yard whose step takes its time, as long as it says."""

    step_s = 0.0

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        loop.now_s += type(self).step_s
        super().step(match, inputs)


def heavy(step_s: float) -> type[Heavy]:
    return type("Heavy", (Heavy,), {"step_s": step_s})


async def beside(step_s: float) -> tuple[Rig, RoomHandle, Watcher, RoomHandle, Watcher]:
    """A heavy room and a light one, each with a player, in one process."""
    rig = await Rig({"yard": Yard(), "heavy": heavy(step_s)()}).start()
    light, watcher = await rig.room("Ada", private=True)
    room, other = await rig.room("Bob", game="heavy", private=True)
    for one in (light, room):
        # Said of this process's edge, so that it is said to the next owner as well.
        one.present({row.id for row in one.match.players}, 0)
    return rig, light, watcher, room, other


@pytest.mark.parametrize("step_ms", [0, 5, 10, 20, 60, 200])
def test_a_room_over_its_budget_takes_only_its_share_of_the_loop(step_ms: int) -> None:
    async def scenario() -> None:
        rig, light, watcher, room, other = await beside(step_ms / 1000)
        await rig.seconds(20)
        loop = asyncio.get_running_loop()
        began, ticks, mine = loop.time(), len(other.times), len(watcher.times)
        await rig.seconds(60)
        took_s = loop.time() - began
        spent = (len(other.times) - ticks) * step_ms / 1000 / took_s
        assert spent <= BUDGET * 1.05
        slowed = step_ms * 20 / 1000 > BUDGET
        assert (room.life.state is State.SLOWED) == slowed
        assert light.life.state is State.RUNNING
        assert (room.speed < 1) == slowed
        assert light.speed == 1
        # What the neighbour misses are the ticks that fall into a step that takes longer than one.
        assert len(watcher.times) - mine >= 0.75 * 60 * 20
        if not slowed:
            assert len(other.times) - ticks >= 60 * 20 - 2
        assert room.load == pytest.approx(step_ms * 20 / 1000, abs=0.05)
        await rig.stop()

    virtually(scenario())


def test_alone_a_room_may_take_all_there_is() -> None:
    """The control: nobody is beside it."""

    async def scenario() -> None:
        rig = await Rig({"heavy": heavy(0.04)()}).start()
        room, watcher = await rig.room("Ada", game="heavy")
        await rig.seconds(20)
        assert (room.life.state, room.speed) == (State.RUNNING, 1)
        assert room.load == pytest.approx(0.8, abs=0.05)
        assert {round(b - a, 6) for a, b in pairwise(watcher.times[2:])} == {0.05}
        # It is slowed when somebody comes, and goes on at its pace when they are gone.
        light, _ = await rig.room("Bob", game="heavy", private=True)
        await rig.seconds(5)
        assert {room.life.state, light.life.state} == {State.SLOWED}
        light.fail("for this test")
        await rig.seconds(5)
        assert room.life.steps
        assert room.speed == 1
        await rig.stop()

    virtually(scenario())


def test_players_and_the_author_are_told_and_a_cheap_room_goes_on_at_its_pace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        game = heavy(0.1)
        rig = await Rig({"yard": Yard(), "heavy": game()}).start()
        await rig.room("Ada", private=True)
        room, _ = await rig.room("Bob", game="heavy", private=True)
        far = await rig.beside(2)
        copy = await far.host.reach(room.id)
        assert copy is not None
        there = Edge(copy)
        with caplog.at_level(logging.WARNING):
            await rig.seconds(15)
        assert room.life.state is State.SLOWED
        assert copy.speed == pytest.approx(room.speed, abs=0.001)
        assert copy.owned is None, "ticks that come slowly are no silence"
        told = [one for one in caplog.messages if f"room {room.id} is over its budget" in one]
        assert told[-1].endswith("record 0.00, views and sending 0.00)")
        assert len(told) <= 4, "once for each pace"
        game.step_s = 0.001
        await rig.seconds(30)
        assert room.life.steps
        assert (room.speed, copy.speed) == (1, 1)
        assert there.changes
        await far.stop()
        await rig.stop()

    virtually(scenario())


def test_a_slow_room_moves_to_a_process_kept_for_such_and_no_other_room_does() -> None:
    async def scenario() -> None:
        rig, light, watcher, room, _ = await beside(0.2)
        kept = await rig.beside(2, slow=True)
        await rig.seconds(10 + SLOW_LOOK_S)
        [moved] = kept.owned()
        assert moved.id == room.id
        assert rig.owned() == [light]
        stored = rig.store._rooms[room.id]
        assert (stored.owner, stored.status) == ("host-2", Status.LIVE)
        assert stored.crashes.count == 0
        # Told to move anywhere, the neighbour does not go there.
        assert not await rig.host.handover.room(light)
        watcher.times.clear()
        await rig.seconds(10)
        assert light.life.owned
        await kept.stop()
        await rig.stop()

    virtually(scenario())


def test_where_no_process_is_kept_for_slow_rooms_it_stays_and_tries_again() -> None:
    async def scenario() -> None:
        rig, _, _, room, _ = await beside(0.2)
        other = await rig.beside(2)
        await rig.seconds(10)
        assert room.life.owned
        kept = await rig.beside(3, slow=True)
        await rig.seconds(10 + 2 * SLOW_LOOK_S)
        assert [one.id for one in kept.owned()] == [room.id]
        for one in (kept, other, rig):
            await one.stop()

    virtually(scenario())
