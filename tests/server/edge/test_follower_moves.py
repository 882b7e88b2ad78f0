"""An edge's part in a room that gets another owner, or ends: who stays, and who is told what."""

from __future__ import annotations

from server.core.post import Leaving
from server.host.room_handle import RoomHandle
from server.store.base import StoreCorrupt
from shared.errors import CloseCode
from shared.messages import Role, RoomStatus
from shared.session import ClientState
from tests.server.edge.desk import Caller, Desk, closing
from tests.server.host.rig import owned, player
from tests.simulation.loop import virtually


async def coming(desk: Desk, room: RoomHandle) -> tuple[Caller, Caller]:
    """One who waits for a seat and one who resumes, while a tick waits for the store."""
    waiting = Caller(desk, "Bob", room=room.id)
    resuming = await desk.call("Cid")
    resuming.hang_up()
    desk.rig.store.answering.clear()
    await desk.seconds(0.1)
    waiting.connect()
    resuming.connect()
    await desk.seconds(0.1)
    assert waiting.line.sent == resuming.line.sent == []
    return waiting, resuming


def test_everyone_stays_when_the_room_gets_another_owner() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        eve = await desk.call("Eve", role=Role.SPECTATOR)
        room, epoch = desk.only_room(), desk.only_room().epoch
        waiting, resuming = await coming(desk, room)
        ada.post(1, "said before")
        await desk.rig.store.acquire_for_somebody_else(room.id)
        desk.rig.store.answering.set()
        await desk.seconds(0.05)
        port = desk.port()
        assert (port.owned, port.epoch) == (None, epoch + 1)
        assert ada.line.of(RoomStatus)[-1].epoch == port.epoch
        # Its owner never says a word, so this process takes the room back after a moment.
        await desk.seconds(1)
        assert desk.only_room().epoch == port.epoch == epoch + 2
        for caller in (ada, eve, waiting, resuming):
            assert caller.line.ending is None
            assert caller.session.state is ClientState.LIVE
            assert caller.session.stats.divergence == 0
            assert caller.frames[-1].tick == desk.only_room().census.tick
        assert [frame.tick for frame in ada.frames] == list(range(1, ada.frames[-1].tick + 1))
        assert player(desk.only_room(), "Ada").score == 1, "what was asked before is done, once"
        await desk.stop()

    virtually(scenario())


def test_who_left_while_the_room_moved_is_not_kept() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        other = await desk.rig.beside(2)
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        copy = await other.host.reach(desk.port().id)
        assert copy is not None
        desk.rig.store.answering.clear()
        while copy.owned is None:
            await desk.seconds(0.001)
        # Nothing was heard of the owner, so the other has the room.
        heir = owned(copy)
        heir.obey("", Leaving(player(heir, "Bob").id))
        await desk.seconds(0.5)
        desk.rig.store.answering.set()
        await desk.seconds(1)
        assert desk.port().owned is None
        assert [row.name for row in heir.match.players] == ["Ada"]
        assert closing(bob.line) == (CloseCode.ROOM_CLOSED, "the seat was given up")
        assert (ada.line.ending, ada.session.state) == (None, ClientState.LIVE)
        assert ada.session.stats.divergence == 0
        await other.stop()
        await desk.stop()

    virtually(scenario())


def test_everyone_is_told_when_the_room_is_over() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        eve = await desk.call("Eve", role=Role.SPECTATOR)
        room = desk.only_room()
        waiting, resuming = await coming(desk, room)
        desk.rig.store.broken = StoreCorrupt("torn")
        desk.rig.store.answering.set()
        await desk.seconds(0.2)
        desk.rig.store.broken = None
        for caller in (ada, eve, waiting, resuming):
            assert closing(caller.line) == (
                CloseCode.UNAVAILABLE,
                "the room's journal is damaged",
            )
            assert caller.session.state in (ClientState.RESUMING, ClientState.CONNECTING)
        await desk.seconds(0.1)
        assert (desk.edge._followers, desk.edge.sessions) == ({}, 0)
        await desk.stop()

    virtually(scenario())
