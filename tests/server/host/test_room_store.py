"""What a room's owner writes down beside its ticks, and what can be read back from it."""

from __future__ import annotations

import logging

import pytest

from server.host.room_store import CHECKPOINT_TICKS, first_ticks, restored
from server.store.base import Checkpoint, Loaded, Record, Status, StoreCorrupt
from shared.limits import HISTORY_TICKS
from tests.server.host.rig import Rig
from tests.shared.reference import whole
from tests.simulation.loop import virtually


def test_checkpoints_leave_a_whole_history_to_replay_at_any_tick() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        reaches: list[int] = []

        def look(_: object) -> None:
            kept = rig.store._rooms[room.id]
            if len(watcher.ticks) % 37 == 0:
                match = restored(room.game, room.meta, kept.loaded(room.id))
                assert whole(match) == whole(room.match)
                least = max(2, match.tick - HISTORY_TICKS)
                reaches.append(sum(match.history.reaches(t) for t in range(least, match.tick)))

        watcher.during = look
        await rig.ticks(room, 3 * CHECKPOINT_TICKS)
        ticks = [one.tick for one in rig.store._rooms[room.id].checkpoints]
        assert len(ticks) == 2
        assert ticks[0] - ticks[1] >= HISTORY_TICKS
        assert reaches[-1] == HISTORY_TICKS
        assert reaches == [min(37 * (i + 1) - 2, HISTORY_TICKS) for i in range(len(reaches))]
        await rig.stop()

    virtually(scenario())


def test_a_checkpoint_is_of_committed_rows_and_not_too_soon_after_the_last() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")

        def kept() -> list[int]:
            return [one.tick for one in rig.store._rooms[room.id].checkpoints]

        await rig.ticks(room, 1)
        assert kept() == [1]
        await room.checkpoint()
        assert kept() == [1]
        await rig.ticks(room, HISTORY_TICKS)
        rig.store.answering.clear()
        await rig.seconds(1)
        await room.checkpoint()
        assert max(kept()) <= room.match.tick - 1, "not of a tick that is not committed"
        rig.store.answering.set()
        await rig.stop()

    virtually(scenario())


def test_a_checkpoint_that_fails_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        await rig.ticks(room, HISTORY_TICKS + 2)
        rig.store.broken = StoreCorrupt("cannot be")
        with caplog.at_level(logging.WARNING):
            await room.checkpoint()
        rig.store.broken = None
        assert "checkpoint of tick" in caplog.text
        await rig.ticks(room, 2)
        assert watcher.end is None
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("checkpoints", "starts"),
    [
        ((), [(7, 4), (9, 6)]),
        ((Checkpoint(7, 3, b""), Checkpoint(5, 1, b"")), [(5, 1), (7, 4), (9, 6)]),
    ],
)
def test_an_epoch_whose_first_tick_is_in_a_checkpoint_began_at_any(
    checkpoints: tuple[Checkpoint, ...], starts: list[tuple[int, int]]
) -> None:
    records = tuple(Record(epoch, tick, b"") for epoch, tick in ((7, 4), (7, 5), (9, 6)))
    loaded = Loaded("r" * 20, b"", 9, Status.LIVE, checkpoints, records)
    assert first_ticks(loaded) == starts
