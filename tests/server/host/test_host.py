"""The rooms of a process: made, found, recovered, and let go."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from holdfast import Inputs, Match
from server.core.lobby import RoomMeta
from server.host import tick_group
from server.host.tick_group import GROUPS_PER_RATE
from server.store.base import StoreCorrupt, StoreUnavailable
from shared.errors import CloseCode, RemoteError
from shared.messages import Role, Status
from tests.server.core.yard import Cave, Dot, Yard
from tests.server.host.rig import MoodyStore, Rig, join, owned
from tests.simulation.loop import virtually


class Fast(Yard):
    tick_rate = 40


class Small(Yard):
    seats = 1


async def refused(rig: Rig, *names: str, **wishes: Any) -> RemoteError:
    with pytest.raises(RemoteError) as raised:
        await rig.host.place(join(*names, **wishes))
    return raised.value


def test_a_join_leads_to_an_open_room_or_a_new_one() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        first = await rig.enter("Ada")
        assert await rig.enter("Bob") is first
        [local] = rig.host.rooms()
        assert local is first
        assert await rig.host.reach(first.id) is local
        assert await rig.host.reach("nowherenowhere") is None
        other = await rig.enter("Cid", bots=1)
        secret = await rig.enter("Dan", private=True)
        assert len({first.id, other.id, secret.id}) == 3
        assert await rig.enter("Eve", room=secret.id) is secret
        assert (other.meta.bots, secret.meta.private, first.meta.rules) == (1, True, "1")
        assert first.meta.created_ms == 1_000_000_000
        entries = {entry.room: entry for entry in await rig.store.rooms()}
        assert entries[other.id].owner == "host-1"
        assert RoomMeta.decode(entries[other.id].meta) == other.meta
        await rig.stop()

    virtually(scenario())


def test_a_repeated_join_finds_the_room_of_its_seat_even_before_its_tick() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small()}).start()
        owner = await rig.enter("Ada")
        [room] = rig.host.rooms()
        assert (room is owner, room.free_seats) == (True, 0)
        assert await rig.host.place(join("Ada")) is room, "the join waits for its tick"
        await rig.ticks(owner, 1)
        assert await rig.host.place(join("Ada")) is room, "the seat is taken"
        assert await rig.host.place(join("Ada", room="z" * 20)) is room
        assert await rig.enter("Bob") is not owner
        assert len(rig.host.rooms()) == 2
        await rig.stop()

    virtually(scenario())


def test_a_join_repeated_while_its_room_is_being_made_makes_no_second() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small()}).start()
        rig.store.answering.clear()
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(rig.enter("Ada")) for _ in range(3)]
        await rig.seconds(1)
        rig.store.answering.set()
        rooms = await asyncio.gather(*tasks)
        assert len(rig.host.rooms()) == 1
        assert len({room.id for room in rooms}) == 1
        await rig.stop()

    virtually(scenario())


def test_a_certain_room_must_be_there_and_have_a_seat() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small(), "cave": Cave()}).start()
        owner, _ = await rig.room("Ada")
        [room] = rig.host.rooms()
        full = await refused(rig, "Bob", room=room.id)
        assert (full.code, full.reason) == (CloseCode.ROOM_FULL, "the room is full")
        watching = join("Bob", role=Role.SPECTATOR, room=room.id)
        assert await rig.host.place(watching) is room, "to watch takes no seat"
        for wishes in ({"room": "z" * 20}, {"game": "cave", "room": room.id}):
            missing = await refused(rig, "Bob", **wishes)
            assert (missing.code, missing.reason) == (CloseCode.NOT_FOUND, "there is no such room")
        room.fail("over")
        assert owner.over == (CloseCode.GAME_FAILED, "over"), "it ends when its next tick is due"
        assert (await refused(rig, "Bob", room=room.id)).code is CloseCode.NOT_FOUND
        assert await rig.host.place(join("Ada")) is not room, "a room that is over seats nobody"
        await rig.seconds(0.1)
        failed = await refused(rig, "Bob", room=room.id)
        assert (failed.code, failed.reason) == (
            CloseCode.GAME_FAILED,
            "the room failed; it is kept aside",
        )
        await rig.stop()

    virtually(scenario())


def test_what_cannot_be_is_refused_with_the_reason() -> None:
    async def scenario() -> None:
        rig = await Rig(rooms_max=1).start()
        unknown = await refused(rig, "Ada", game="chess" * 20)
        assert unknown.code is CloseCode.NOT_FOUND
        assert unknown.reason.endswith("here; there is yard")
        assert (await refused(rig, "Ada", colour=1)).code is CloseCode.BAD_OPTION
        await rig.enter("Ada")
        crowded = await refused(rig, "Bob", bots=1)
        assert (crowded.code, crowded.retry_after_ms) == (CloseCode.UNAVAILABLE, 5000)
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("trouble", [StoreUnavailable("gone"), StoreCorrupt("torn")])
def test_a_room_the_store_will_not_keep_is_not_made(trouble: Exception) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        rig.store.broken = trouble  # type: ignore[assignment]
        away = await refused(rig, "Ada")
        assert (away.code, away.reason) == (CloseCode.UNAVAILABLE, "the store is away")
        assert rig.host.rooms() == []
        rig.store.broken = None
        await rig.room("Ada")
        [room] = rig.host.rooms()
        rig.store.away = True
        await rig.seconds(1)
        paused = await refused(rig, "Bob", bots=1)
        assert (paused.code, paused.retry_after_ms) == (CloseCode.UNAVAILABLE, 2000)
        assert await rig.host.place(join("Bob")) is room, "an open room can still be joined"
        rig.store.away = False
        await rig.stop()

    virtually(scenario())


def test_rooms_share_two_phases_a_rate_evenly_half_a_period_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tick_group, "SPREAD_LOAD", 0.0)

    async def scenario() -> None:
        rig = await Rig({"yard": Yard(), "fast": Fast()}, rooms_max=20).start()
        watchers = [(await rig.room(str(n), private=True))[1] for n in range(6)]
        await rig.room("Eve", game="fast")
        phases = rig.host.groups.by_kind
        assert {rate: len(of) for (rate, _), of in phases.items()} == {20: GROUPS_PER_RATE, 40: 1}
        assert [len(phase.rooms) for phase in phases[20, ""]] == [3, 3]
        await rig.seconds(1)
        moments = {round(watcher.times[-1] % 0.05, 6) for watcher in watchers}
        assert len(moments) == 2
        assert max(moments) - min(moments) == pytest.approx(0.025)
        await rig.stop()

    virtually(scenario())


def test_standing_rooms_are_open_from_the_start_and_come_back() -> None:
    async def scenario() -> None:
        store = MoodyStore()
        rig = await Rig(store=store, standing=[("yard", {"bots": 2})]).start()
        [room] = map(owned, rig.host.rooms())
        assert (room.pinned, room.meta.bots) == (True, 2)
        await rig.seconds(5)
        assert list(map(owned, rig.host.rooms())) == [room], "although nobody is in it"
        assert await rig.enter("Ada", bots=2) is room
        room.fail("for this test")
        await rig.seconds(1)
        [other] = map(owned, rig.host.rooms())
        assert (other.id != room.id, other.pinned) == (True, True)
        await rig.stop()
        heir = await Rig(
            store=store, exchange=rig.exchange, standing=[("yard", {"bots": 2})], seed=2
        ).start()
        stands = [(one.id, owned(one).pinned) for one in heir.host.rooms()]
        assert stands == [(other.id, True)]
        await heir.stop()

    virtually(scenario())


def test_a_standing_room_that_cannot_be_made_again_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        rig = await Rig(standing=[("yard", {})]).start()
        [room] = rig.host.rooms()
        await rig.seconds(0.2)
        room.fail("for this test")
        rig.store.broken = StoreCorrupt("torn")
        with caplog.at_level(logging.WARNING):
            await rig.seconds(2)
        assert "a standing room was not made again: torn" in caplog.text
        rig.store.broken = None
        await rig.seconds(2)
        [again] = map(owned, rig.host.rooms())
        assert again.pinned, "it is tried again with every sweep"
        await rig.stop()

    virtually(scenario())


class Drifting(Yard):
    """Moves dots by less than their grid can hold."""

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        super().step(match, inputs)
        for dot in match.all(Dot):
            dot.x += 0.001


@pytest.mark.parametrize("development", [False, True])
def test_in_development_a_change_that_rounding_swallows_is_named(
    development: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Drifting()}, development=development).start()
        await rig.room("Ada")
        with caplog.at_level(logging.WARNING):
            await rig.seconds(1)
        assert ("Dot.x" in caplog.text) == development
        await rig.stop()

    virtually(scenario())


def test_a_task_of_the_host_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("a bug of ours")

    async def scenario() -> None:
        rig = await Rig().start()
        with caplog.at_level(logging.CRITICAL):
            rig.host._spawn(broken())
            await rig.seconds(0.1)
        assert "a task of the host failed" in caplog.text

    virtually(scenario())


def test_rooms_of_every_phase_pause_together() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Yard(), "fast": Fast()}).start()
        watchers = [(await rig.room("Ada"))[1], (await rig.room("Bob", game="fast"))[1]]
        rig.store.away = True
        await rig.seconds(1)
        assert [watcher.statuses for watcher in watchers] == [[Status.PAUSED]] * 2
        rig.store.away = False
        await rig.seconds(1.5)
        assert [watcher.statuses[-1] for watcher in watchers] == [Status.LIVE] * 2
        await rig.stop()

    virtually(scenario())
