"""A storm: rooms of a dead process are taken up once each, whoever else is after them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from server.host.reaper import REAP_S
from server.host.recovery import AT_ONCE_MAX
from server.store.base import Held, Loaded, Status, StoreUnavailable, Tail, Taken
from server.store.exchange import PROCESS_TTL_S, Subscription
from server.store.memory_exchange import MemoryExchange
from tests.server.host.rig import MoodyStore, Rig, join
from tests.simulation.loop import virtually

ROOMS = 24


class FarStore(MoodyStore):
    """It takes its time, and a takeover's answer may be lost; it counts the takeovers."""

    def __init__(self) -> None:
        super().__init__()
        self.load_s = self.take_over_s = 0.15
        self.loses: Callable[[], bool] = lambda: False
        self.taken = Counter[str]()
        self.called: Callable[[], object] = lambda: None

    async def load(self, room: str) -> Loaded:
        await asyncio.sleep(self.load_s)
        return await super().load(room)

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        self.called()
        answer = await super().take_over(room, owner, held, blameless=blameless)
        self.taken[room] += isinstance(answer, Taken)
        if self.loses():
            raise StoreUnavailable("the answer was lost")
        await asyncio.sleep(self.take_over_s)
        return answer


async def storm(store: FarStore, others: int, count: int = ROOMS) -> tuple[list[str], list[Rig]]:
    """A process died with so many rooms, which nobody follows; the others do not know it yet."""
    one = await Rig(store=store, rooms_max=ROOMS).start()
    rooms = [(await one.room(f"player {n}", private=True))[0].id for n in range(count)]
    rigs = [await one.beside(2 + n) for n in range(others)]
    await one.kill()
    return rooms, rigs


async def running(store: FarStore, rigs: list[Rig]) -> list[str]:
    """The rooms that some process runs and commits, in order."""
    before = {entry.room: entry.tick for entry in await store.rooms()}
    await asyncio.sleep(0.5)
    entries = {entry.room: entry for entry in await store.rooms()}
    return sorted(
        room.id
        for rig in rigs
        for room in rig.owned()
        if entries[room.id].tick > before[room.id] and entries[room.id].owner == rig.host.name
    )


def test_rooms_that_several_processes_are_after_change_hands_once() -> None:
    async def scenario() -> None:
        store = FarStore()
        rooms, rigs = await storm(store, 3)
        await asyncio.sleep(PROCESS_TTL_S + 3 * REAP_S)
        assert store.taken == Counter(rooms), "nobody took a room from somebody who lives"
        assert await running(store, rigs) == sorted(rooms)
        assert all(rig.owned() for rig in rigs), "they share them"
        assert {entry.status for entry in await store.rooms()} == {Status.LIVE}
        for rig in rigs:
            await rig.stop()

    virtually(scenario())


def test_a_lost_answer_costs_its_own_room_alone_a_second_takeover() -> None:
    async def scenario() -> None:
        store = FarStore()
        rooms, [rig] = await storm(store, 1, AT_ONCE_MAX)
        # All are asked for at once, and the other answers come after the next round is due.
        store.take_over_s = 1.6 * REAP_S
        lost: list[str] = []

        def loses() -> bool:
            if not lost:
                lost.extend(store.taken)
                return True
            return False

        store.loses = loses
        await asyncio.sleep(PROCESS_TTL_S + 6 * REAP_S)
        assert store.taken == Counter(rooms) + Counter(lost)
        assert len(lost) == 1
        assert len(rig.owned()) == AT_ONCE_MAX
        await rig.stop()

    virtually(scenario())


def test_the_loop_has_a_turn_between_any_two_rooms_that_are_read_back() -> None:
    async def scenario() -> None:
        store = FarStore()
        rooms, [rig] = await storm(store, 1)
        turn, turns = 0, list[int]()

        def turned() -> None:
            nonlocal turn
            turn += 1

        def called() -> None:
            # A room is read back and then asked for without a pause.
            turns.append(turn)
            asyncio.get_running_loop().call_soon(turned)

        store.called = called
        await asyncio.sleep(PROCESS_TTL_S + 3 * REAP_S)
        assert len(rig.owned()) == len(rooms)
        assert len(turns) == len(set(turns)) == len(rooms)
        await rig.stop()

    virtually(scenario())


class FarExchange(MemoryExchange):
    """It may take a moment until letters are heard."""

    listen_s = 0.0

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> Subscription:  # type: ignore[override]
        await asyncio.sleep(self.listen_s)
        return await super().listen(name, hear)


def test_a_room_that_is_being_made_is_not_taken_for_one_that_nobody_runs() -> None:
    async def scenario() -> None:
        exchange = FarExchange(asyncio.get_running_loop().time)
        rig = await Rig(exchange=exchange).start()
        exchange.listen_s = 0.05
        making = asyncio.ensure_future(rig.host.place(join("Ada")))
        await rig.seconds(0.01)
        exchange.listen_s = 0.0
        [entry] = await rig.store.rooms()
        assert (entry.owner, rig.host.rooms()) == (rig.host.name, [])
        await rig.host.reaper.once(whole=True)
        room = await making
        await rig.seconds(0.5)
        assert room.owned is not None
        assert (room.life.owned, room.epoch) == (True, entry.epoch)
        await rig.stop()

    virtually(scenario())
