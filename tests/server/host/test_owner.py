"""A hosted room: stepped, committed, published, in this order and never otherwise."""

from __future__ import annotations

import json
import logging

import pytest

from server.core.lifecycle import Event
from server.core.post import Leaving, Resumed
from server.core.room import SeatRequest
from server.core.seating import JoinRefusal, RefusalCode
from server.host.room_store import restored
from server.store.base import NoSuchRoom, StoreCorrupt
from server.store.base import Status as StoredStatus
from shared.errors import CloseCode, StoreError
from shared.messages import Status
from tests.server.core.yard import Cave, Dot, Yard, nonce
from tests.server.host.rig import Rig, player, post
from tests.shared.reference import whole
from tests.simulation.loop import virtually


def test_nobody_sees_a_tick_before_the_journal_has_it() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        rig.store.answering.clear()
        await rig.seconds(2)
        seen, stepped = watcher.ticks[-1], room.match.tick
        assert stepped == seen + 1, "one tick is under way, and not more"
        assert room.settled is False
        assert rig.store.committed(room.id) == seen
        rig.store.answering.set()
        await rig.ticks(room, 3)
        assert room.settled
        assert watcher.ticks == list(range(1, room.match.tick + 1))
        assert watcher.ticks[seen : seen + 3] == [stepped, stepped + 1, stepped + 2]
        await rig.stop()

    virtually(scenario())


def test_what_an_edge_asks_reaches_the_room() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada", "Bob")
        ada, bob = player(room, "Ada").id, player(room, "Bob").id
        assert (room.game, room.epoch, len(room.id)) == (room.match.game, 1_000_000, 20)
        assert (room.free_seats, room.finished, room.holds(nonce("Ada"))) == (2, False, True)
        room.obey("", Resumed(ada, 77, 5))
        post(room, "Ada", 5, 2, "hi")
        room.obey("", Leaving(bob))
        rig.present(room, {ada}, 3)
        await rig.ticks(room, 1)
        assert watcher.publications[-1].left == (bob,)
        assert (player(room, "Ada").input_seq, player(room, "Ada").score) == (5, 1)
        assert player(room, "Ada").connection == 77
        assert (room.census.players, room.census.spectators, room.census.bots) == (1, 3, 0)
        room.unfollow(watcher)
        room.unfollow(watcher)
        heard = len(watcher.ticks)
        await rig.ticks(room, 2)
        assert len(watcher.ticks) == heard
        await rig.stop()

    virtually(scenario())


def test_a_game_that_raises_loses_that_ticks_inputs_and_joins_and_goes_on() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada", "Bob")
        post(room, "Ada", 1, 2, trap=1)
        post(room, "Bob", 1, 2)
        room.obey("", SeatRequest(nonce("Cid"), "Cid"))
        await rig.ticks(room, 1)
        publication = watcher.publications[-1]
        said = "the game failed: Yard.step raised RuntimeError: step fails"
        assert publication.refused == {nonce("Cid"): JoinRefusal(RefusalCode.FAILED, said)}
        assert [refusal.reason for refusal in publication.commit.refusals] == [said, said]
        assert rig.metrics.counters["game_errors_total"] == 1
        assert room.over is None
        await rig.ticks(room, 5)
        assert watcher.ticks == list(range(1, room.match.tick + 1))
        assert [dot.x for dot in room.match.all(Dot)] == [0, 0]
        loaded = await rig.store.load(room.id)
        assert whole(restored(room.game, room.meta, loaded)) == whole(room.match)
        await rig.stop()

    virtually(scenario())


def test_a_game_that_raises_again_ends_its_room_and_keeps_the_journal() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        post(room, "Ada", 1, None, "fuse 2")
        await rig.seconds(1)
        assert watcher.end == (
            CloseCode.GAME_FAILED,
            "Yard.step raised RuntimeError: the fuse has burnt down",
        )
        assert (room.finished, room.settled) == (True, False)
        assert rig.metrics.counters["rooms_failed_total"] == 1
        [entry] = await rig.store.rooms()
        assert entry.status is StoredStatus.QUARANTINED
        assert len((await rig.store.load(room.id)).records) == entry.tick - 1
        await rig.stop()

    virtually(scenario())


def test_a_game_that_raises_while_the_store_is_away_waits_for_the_store() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        post(room, "Ada", 1, 1, trap=1)
        rig.store.away = True
        heard = len(watcher.ticks)
        await rig.seconds(3)
        assert (len(watcher.ticks), room.over, room.settled) == (heard, None, False)
        rig.store.away = False
        await rig.ticks(room, 4)
        assert room.over is None
        assert watcher.ticks == list(range(1, room.match.tick + 1))
        await rig.stop()

    virtually(scenario())


def test_a_journal_that_cannot_be_read_back_ends_a_failed_room() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        await rig.ticks(room, 2)
        kept = rig.store._rooms[room.id]
        record = kept.records[2]
        kept.records[2] = type(record)(record.epoch, record.tick, b"spoiled")
        kept.checkpoints.clear()
        post(room, "Ada", 1, 1, trap=1)
        await rig.seconds(1)
        assert watcher.end is not None
        assert watcher.end[0] is CloseCode.GAME_FAILED
        await rig.stop()

    virtually(scenario())


def test_a_fenced_owner_lets_its_room_go_and_touches_nothing() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        [local] = rig.host.rooms()
        committed, epoch = rig.store.committed(room.id), room.epoch
        await rig.store.acquire(room.id, "somebody else")
        await rig.seconds(0.1)
        assert watcher.ticks[-1] == rig.store.committed(room.id) == committed
        assert (room.owned, room.over, watcher.end) == (None, None, None)
        assert rig.metrics.counters["fenced_total"] == 1
        # The room is not over for those in it: it is followed, from what is committed.
        assert (rig.host.rooms(), local.owned, local.over) == ([local], None, None)
        assert (local.match.tick, local.epoch, local.settled) == (committed, epoch + 1, True)
        [entry] = await rig.store.rooms()
        assert (entry.status, entry.owner) == (StoredStatus.LIVE, "somebody else")
        await rig.stop()

    virtually(scenario())


def test_a_finished_match_is_committed_with_its_result_lingers_and_closes() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        post(room, "Ada", 1, None, "finish")
        await rig.ticks(room, 1)
        assert room.finished
        assert room.census.finished
        assert json.loads(await rig.store.result(room.id) or b"") == {"by": "Ada"}
        finished = room.match.tick
        await rig.seconds(2)
        assert watcher.end == (CloseCode.ROOM_CLOSED, "the match is finished")
        assert watcher.ticks[-1] == finished + 20
        with pytest.raises(NoSuchRoom):
            await rig.store.load(room.id)
        assert await rig.host.result(room.id) is not None
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("stands", [False, True])
def test_an_empty_room_falls_asleep_unless_it_stands(stands: bool) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada", bots=2)
        room.pinned = stands
        rig.present(room, set())
        await rig.ticks(room, 11)
        assert watcher.publications[-1].left, "the grace is over"
        await rig.seconds(2)
        wanted = None if stands else (CloseCode.ROOM_CLOSED, "nobody is in the room")
        assert watcher.end == wanted
        [entry] = await rig.store.rooms()
        status = StoredStatus.LIVE if stands else StoredStatus.ASLEEP
        assert (entry.status, entry.owner) == (status, rig.host.name if stands else "")
        if not stands:
            loaded = await rig.store.load(room.id)
            assert whole(restored(room.game, room.meta, loaded)) == whole(room.match)
            assert rig.host.rooms() == []
        await rig.stop()

    virtually(scenario())


def test_an_absent_player_within_the_grace_keeps_the_room() -> None:
    class Patient(Yard):
        grace_s = 3.0

    async def scenario() -> None:
        rig = await Rig({"yard": Patient()}).start()
        room, watcher = await rig.room("Ada")
        rig.present(room, set())
        await rig.seconds(2.5)
        assert watcher.end is None
        await rig.seconds(1.5)
        assert watcher.end is not None
        await rig.stop()

    virtually(scenario())


def test_status_is_told_when_it_changes() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        for event in (Event.STORE_BACK, Event.STORE_AWAY, Event.STORE_AWAY, Event.STORE_BACK):
            room.on(event)
        assert watcher.statuses == [Status.PAUSED, Status.LIVE]
        await rig.stop()

    virtually(scenario())


def test_a_room_that_has_not_begun_has_nothing_to_write_down() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room = await rig.enter("Ada")
        await room.checkpoint()
        assert not room.finished
        assert (await rig.store.load(room.id)).checkpoints == ()
        await rig.stop()

    virtually(scenario())


def test_an_end_the_store_cannot_note_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        del rig.store._rooms[room.id]
        with caplog.at_level(logging.WARNING):
            room.fail("enough")
            await rig.seconds(0.2)
        assert watcher.end == (CloseCode.GAME_FAILED, "enough")
        assert "does not exist" in caplog.text
        assert rig.host.rooms() == []
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("development", [False, True])
@pytest.mark.parametrize("fog", [1, 3])
def test_a_view_that_fails_for_a_brain_stops_nobody_but_in_development(
    fog: int, development: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Cave()}, development=development).start()
        room, watcher = await rig.room("Ada", bots=1)
        post(room, "Ada", 1, None, f"fog {fog}")
        await rig.seconds(1)
        assert watcher.end is None
        if development and fog > 1:
            assert room.fault.startswith("the game failed: RuntimeError: visible fails (yard.py:")
        else:
            assert rig.metrics.counters["game_errors_total"] == fog
            assert watcher.ticks == list(range(1, room.match.tick + 1))
            assert player(room, "Bot 1").inputs_applied > 10, "the brain plays on"
        views = [line for line in caplog.messages if "a brain's view failed" in line]
        assert len(views) == 1, "named once"
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("trouble", "ending"),
    [
        (NoSuchRoom("abcdefgh"), (CloseCode.ROOM_CLOSED, "the room is over")),
        (StoreCorrupt("torn"), (CloseCode.UNAVAILABLE, "the room's journal is damaged")),
    ],
)
def test_a_refused_append_ends_the_room_and_says_why_in_the_log(
    trouble: StoreError, ending: tuple[CloseCode, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        _, watcher = await rig.room("Ada")
        rig.store.broken = trouble
        with caplog.at_level(logging.ERROR):
            await rig.seconds(0.2)
        assert f"its write was refused: {trouble}" in caplog.text
        assert watcher.end == ending
        rig.store.broken = None
        await rig.stop()

    virtually(scenario())
