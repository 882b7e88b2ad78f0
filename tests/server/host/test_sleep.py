"""A room that nobody is in sleeps once, and is woken by who comes, whenever that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from server.core.lifecycle import Event, State
from server.core.ports import Publication
from server.core.room import SeatRequest
from server.host.room_handle import RoomHandle
from server.store.base import Append, Loaded, Status, StoreUnavailable
from server.store.exchange import Ended, Slept
from shared.errors import CloseCode, RemoteError, StoreError
from shared.messages import Status as Shown
from tests.server.core.yard import Yard, nonce
from tests.server.host.pair import Lossy
from tests.server.host.rig import MoodyStore, Rig, join
from tests.simulation.loop import virtually

CALL_S = 0.01


class SlowStore(MoodyStore):
    """Every write takes 10 ms, as on a busy disk."""

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        await asyncio.sleep(CALL_S / 2)
        outcomes = await super().append(batch)
        await asyncio.sleep(CALL_S / 2)
        return outcomes

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        await asyncio.sleep(CALL_S)
        await super().checkpoint(room, epoch, tick, blob)

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        await asyncio.sleep(CALL_S / 2)
        await super().set_status(room, epoch, status, reason)
        await asyncio.sleep(CALL_S / 2)

    async def release(self, room: str, epoch: int) -> None:
        await asyncio.sleep(CALL_S / 2)
        await super().release(room, epoch)
        await asyncio.sleep(CALL_S / 2)


class Joining:
    """An edge with one player who wants in; who is told to come again does."""

    def __init__(self, rig: Rig, room: str, name: str = "Bob") -> None:
        self.rig, self.name, self.wanted = rig, name, room
        self.seated: int | None = None
        self.end: tuple[CloseCode, str] | None = None
        self.room: RoomHandle | None = None

    async def join(self) -> RoomHandle:
        for _ in range(10):
            try:
                room = await self.rig.host.place(join(self.name, room=self.wanted))
            except RemoteError as error:
                if error.code is not CloseCode.UNAVAILABLE:
                    raise
                await asyncio.sleep((error.retry_after_ms or 500) / 1000)
                continue
            self.room = room
            room.follow(self)
            room.join(SeatRequest(nonce(self.name), self.name))
            return room
        raise AssertionError("turned away ten times")

    def published(self, publication: Publication) -> None:
        self.seated = publication.seated.get(nonce(self.name), self.seated)
        if self.seated is not None and self.room is not None:
            self.room.present({self.seated}, 0)

    def changed(self, status: Shown) -> None:
        """Nothing changes for this player."""

    def ended(self, code: CloseCode, reason: str) -> None:
        self.end = (code, reason)

    def leave(self) -> None:
        assert self.room is not None
        assert self.seated is not None
        self.room.leave(self.seated)
        self.room.present(set(), 0)
        self.room.unfollow(self)


def state(room: RoomHandle) -> State:
    return room.life.state


async def until(happens: Callable[[], bool]) -> None:
    """Let virtual time pass until something has happened."""
    while not happens():  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.001)


async def left(rig: Rig) -> str:
    """A room that everybody has just left."""
    ada = Joining(rig, "", "Ada")
    room = await rig.host.place(join("Ada", private=True))
    ada.wanted = room.id
    await ada.join()
    await rig.seconds(0.5)
    ada.leave()
    return room.id


async def falls_asleep_after() -> float:
    """Seconds until a room that everybody has left begins to fall asleep."""
    rig = await Rig(store=SlowStore()).start()
    name = await left(rig)
    began = asyncio.get_running_loop().time()
    [room] = rig.host.rooms()
    assert room.id == name
    await until(lambda: state(room) is State.FALLING_ASLEEP)
    took_s = asyncio.get_running_loop().time() - began
    await rig.stop()
    return took_s


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("after_ms", range(-30, 90, 3))
def test_a_join_while_a_room_falls_asleep_finds_it(elsewhere: bool, after_ms: int) -> None:
    async def scenario() -> None:
        wait_s = await falls_asleep_after() + after_ms / 1000
        rig = await Rig(store=SlowStore()).start()
        other = await rig.beside(2) if elsewhere else rig
        name = await left(rig)
        await rig.seconds(wait_s)
        bob = Joining(other, name)
        room = await bob.join()
        await rig.seconds(2)
        assert (bob.end, bob.seated is not None) == (None, True)
        kept = rig.store._rooms[name]
        assert (kept.status, kept.crashes.count) == (Status.LIVE, 0)
        owners = {one.id for host in {rig, other} for one in host.host.rooms() if one.life.owned}
        assert owners == {name}
        assert room.match.tick > 0
        await other.stop()
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("lost", [False, True], ids=["heard", "not heard"])
def test_followers_leave_a_sleeper_asleep(lost: bool) -> None:
    async def scenario() -> None:
        exchange = Lossy()
        one = await Rig(exchange=exchange).start()
        rigs = [one, await one.beside(2), await one.beside(3)]
        name = await left(one)
        for rig in rigs[1:]:
            assert await rig.host.reach(name) is not None
        exchange.loses = lambda news: lost and isinstance(news, Slept)
        runs: list[str] = []
        for _ in range(600):
            await one.seconds(0.1)
            owners = [rig.host.name for rig in rigs if rig.owned()]
            assert len(owners) <= 1
            runs += owners if owners and runs[-1:] != owners else []
        kept = one.store._rooms[name]
        assert (kept.status, kept.owner, kept.crashes.count) == (Status.ASLEEP, "", 0)
        assert [rig.host.rooms() for rig in rigs] == [[], [], []]
        # Where the news is lost a follower takes it for dead, reads that it sleeps, and lets it.
        assert len(runs) <= (3 if lost else 1)
        for rig in rigs:
            await rig.stop()

    virtually(scenario())


def test_a_room_woken_in_one_process_is_joined_through_another_and_stays_where_it_is() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two, three = await one.beside(2), await one.beside(3)
        name = await left(one)
        await one.seconds(5)
        assert one.store._rooms[name].status is Status.ASLEEP
        bob, cid = Joining(two, name, "Bob"), Joining(three, name, "Cid")
        await bob.join()
        await one.seconds(1)
        epoch = one.store._rooms[name].epoch
        await cid.join()
        await one.seconds(1)
        kept = one.store._rooms[name]
        assert (kept.status, kept.epoch, kept.owner) == (Status.LIVE, epoch, "host-2")
        assert bob.seated is not None
        assert cid.seated is not None
        for rig in (three, two, one):
            await rig.stop()

    virtually(scenario())


def test_a_sleeper_that_is_being_woken_is_not_taken_from_who_wakes_it() -> None:
    class SlowToWake(MoodyStore):
        async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
            await asyncio.sleep(1 if status is Status.LIVE else 0)
            await super().set_status(room, epoch, status, reason)

    async def scenario() -> None:
        one = await Rig(store=SlowToWake()).start()
        two = await one.beside(2)
        name = await left(one)
        await one.seconds(5)
        bob, cid = Joining(one, name, "Bob"), Joining(two, name, "Cid")
        waking = asyncio.ensure_future(bob.join())
        await one.seconds(0.1)
        await cid.join()
        await waking
        await one.seconds(1)
        kept = one.store._rooms[name]
        assert (kept.owner, kept.crashes.count) == ("host-1", 0)
        assert "fenced_total" not in one.metrics.counters
        assert bob.seated is not None
        assert cid.seated is not None
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_sleeper_that_a_process_took_without_knowing_is_woken_through_another() -> None:
    class Deaf(MoodyStore):
        deaf = False

        async def take_over(self, room: str, *arguments: Any, **options: Any) -> Any:
            answer = await super().take_over(room, *arguments, **options)
            if self.deaf:
                self.deaf = False
                raise StoreUnavailable("applied, and the answer lost")
            return answer

    async def scenario() -> None:
        store = Deaf()
        one = await Rig(store=store).start()
        two = await one.beside(2)
        name = await left(one)
        await one.seconds(5)
        store.deaf = True
        with pytest.raises(RemoteError):
            await one.host.place(join("Bob", room=name))
        kept = store._rooms[name]
        assert (kept.status, kept.owner) == (Status.ASLEEP, "host-1"), "it does not know"
        cid = Joining(two, name, "Cid")
        await cid.join()
        await one.seconds(1)
        assert (kept.status, kept.owner, kept.crashes.count) == (Status.LIVE, "host-2", 0)
        assert cid.seated is not None
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_put_aside_unheard_is_not_run_by_who_takes_it_for_dead() -> None:
    async def scenario() -> None:
        exchange = Lossy()
        one = await Rig(exchange=exchange).start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        copy = await two.host.reach(room.id)
        assert copy is not None
        exchange.loses = lambda news: isinstance(news, Ended)
        room.fail("for this test")
        await one.seconds(5)
        assert one.store._rooms[room.id].status is Status.QUARANTINED
        assert copy.life.state is State.QUARANTINED
        assert two.host.rooms() == []
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_follower_that_reads_that_a_room_sleeps_lets_go_of_it() -> None:
    async def scenario() -> None:
        exchange = Lossy()
        one = await Rig(exchange=exchange).start()
        two = await one.beside(2)
        name = await left(one)
        copy = await two.host.reach(name)
        assert copy is not None
        exchange.loses = lambda news: isinstance(news, Slept)
        await until(lambda: one.store._rooms[name].status is Status.ASLEEP)
        assert state(copy) is State.FOLLOWED
        copy.on(Event.MISSED)
        await one.seconds(0.01)
        assert state(copy) is State.ASLEEP
        await two.stop()
        await one.stop()

    virtually(scenario())


@pytest.mark.parametrize("wanted", [False, True])
def test_a_sleep_that_is_heard_while_the_room_is_read_counts_once(wanted: bool) -> None:
    class SlowToLoad(MoodyStore):
        slow = False

        async def load(self, room: str) -> Loaded:
            loaded = await super().load(room)
            await asyncio.sleep(2 if self.slow else 0)
            return await super().load(room) if self.slow else loaded

    async def scenario() -> None:
        store = SlowToLoad()
        one = await Rig({"yard": Quick()}, store=store).start()
        two = await one.beside(2)
        name = await left(one)
        copy = await two.host.reach(name)
        assert copy is not None
        # It is lost and read again, and falls asleep meanwhile.
        store.slow = True
        follower = copy.follower
        assert follower is not None
        again = two.host._handle(name, copy.meta, copy.game)
        reading = asyncio.ensure_future(again.open())
        await one.seconds(0.1)
        if wanted:
            again.outbox.join(SeatRequest(nonce("Bob"), "Bob"))
        await reading
        store.slow = False
        await one.seconds(0.1)
        kept = store._rooms[name]
        assert (kept.status is Status.LIVE) == wanted
        assert again.life.owned == wanted
        assert "failed" not in "".join(two.metrics.counters)
        await again.close()
        await two.stop()
        await one.stop()

    virtually(scenario())


class Quick(Yard):
    room_empty_s = 0.2


def test_a_spectator_who_arrives_as_a_room_falls_asleep_finds_it_awake() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Quick()}, store=SlowStore()).start()
        name = await left(rig)
        [room] = rig.host.rooms()
        await until(lambda: state(room) is State.FALLING_ASLEEP)
        assert await rig.host.reach(name) is room
        room.present(set(), 1)
        await rig.seconds(2)
        assert state(room) is State.RUNNING
        assert rig.store._rooms[name].status is Status.LIVE
        await rig.stop()

    virtually(scenario())
