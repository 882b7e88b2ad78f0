"""In development a room whose game raised stands still after its last whole tick, and goes on."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from server.core.lifecycle import Event
from server.core.room import SeatRequest
from server.host.room_handle import RoomHandle
from shared.errors import CloseCode
from shared.messages import Status
from tests.server.core.yard import Dot, nonce
from tests.server.host.rig import Rig, Watcher, owned, post
from tests.simulation.loop import virtually

RAISED = "Yard.step raised RuntimeError: step fails (yard.py:"


async def stopped(rig: Rig, **trouble: Any) -> tuple[RoomHandle, Watcher]:
    """A room of Ada's whose game raised when she asked for something."""
    room, watcher = await rig.room("Ada")
    post(room, "Ada", 1, 2, **trouble)
    await rig.seconds(1)
    return room, watcher


def test_a_room_whose_game_raises_stands_still_after_its_last_whole_tick(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        with caplog.at_level(logging.ERROR):
            room, watcher = await stopped(rig, trap=1)
        assert room.fault.startswith(RAISED)
        assert rig.local(room).fault == room.fault
        assert (room.status, watcher.statuses) == (Status.PAUSED, [Status.PAUSED])
        assert (room.over, watcher.end, room.settled) == (None, None, True)
        assert room.match.tick == watcher.ticks[-1] == rig.store.committed(room.id)
        assert [dot.x for dot in room.match.all(Dot)] == [0], "nothing of the tick is left"
        said = [one.getMessage() for one in caplog.records if "stands still" in one.getMessage()]
        assert len(said) == 1
        assert f"after tick {room.match.tick} and goes on when" in said[0]
        assert len([one for one in caplog.records if RAISED in one.getMessage()]) == 1
        # A store that is away and back is no reason to say that it goes on.
        room.on(Event.STORE_AWAY)
        room.on(Event.STORE_BACK)
        assert room.status is Status.PAUSED
        await rig.stop()

    virtually(scenario())


def test_the_next_process_goes_on_where_the_room_stands_still() -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        room, _ = await stopped(rig, trap=1)
        tick = room.match.tick
        # As when a reload ends the process.
        await rig.stop()
        after = await Rig(development=True, store=rig.store, seed=2).start()
        [again] = after.owned()
        assert (again.id, again.fault) == (room.id, "")
        await after.ticks(again, 5)
        assert again.match.tick >= tick + 5
        assert [player.name for player in again.match.players] == ["Ada"]
        await after.stop()

    virtually(scenario())


def test_a_game_that_still_raises_stands_still_again_and_is_never_put_aside() -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        room, _ = await rig.room("Ada")
        post(room, "Ada", 1, None, "fuse 2")
        await rig.seconds(1)
        store = rig.store
        for seed in range(2, 8):
            assert "the fuse has burnt down" in room.fault
            await rig.stop()
            rig = await Rig(development=True, store=store, seed=seed).start()
            await rig.seconds(1)
            [room] = rig.owned()
        await rig.stop()

    virtually(scenario())


def test_a_start_that_raises_stands_still_before_the_first_tick() -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        room = await rig.enter("Ada", start="raise")
        await rig.seconds(1)
        assert "Yard.start raised RuntimeError: start fails (yard.py:" in room.fault
        assert (room.match.tick, room.over) == (0, None)
        await rig.stop()

    virtually(scenario())


def test_a_join_that_raises_waits_with_its_room() -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        room, watcher = await rig.room("Ada")
        rig.local(room).join(SeatRequest(nonce("join!"), "join!"))
        await rig.seconds(1)
        assert "Yard.join raised RuntimeError: join fails" in room.fault
        assert not any(publication.refused for publication in watcher.publications)
        assert rig.local(room).holds(nonce("join!")), "who runs the room next is asked again"
        await rig.stop()

    virtually(scenario())


def test_a_hook_of_the_edge_that_raises_lets_the_room_stand_still() -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        room, watcher = await rig.room("Ada")
        rig.local(room).fail("the game failed: ValueError: visible fails", "fog.py:12")
        await rig.seconds(1)
        assert room.fault == "the game failed: ValueError: visible fails (fog.py:12)"
        assert (room.over, watcher.statuses) == (None, [Status.PAUSED])
        await rig.stop()

    virtually(scenario())


def test_without_development_the_same_room_ends_and_tells_no_place() -> None:
    """The control: nothing of this is there in production."""

    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        rig.local(room).fail("the game failed: ValueError: visible fails", "fog.py:12")
        await rig.seconds(1)
        reason = "the game failed: ValueError: visible fails"
        assert (room.fault, watcher.end) == ("", (CloseCode.GAME_FAILED, reason))
        await rig.stop()

    virtually(scenario())


def test_other_processes_leave_a_room_that_stands_still_to_its_owner() -> None:
    async def scenario() -> None:
        rig = await Rig(development=True).start()
        beside = await rig.beside(2, development=True)
        room, _ = await rig.room("Ada")
        followed = await beside.host.reach(room.id)
        assert followed is not None
        post(room, "Ada", 1, 2, trap=1)
        await rig.seconds(5)
        assert room.fault.startswith(RAISED)
        assert owned(rig.local(room)) is room
        assert followed.owned is None
        assert (followed.epoch, followed.match.tick) == (room.epoch, room.match.tick)
        await beside.stop()
        await rig.stop()

    virtually(scenario())
