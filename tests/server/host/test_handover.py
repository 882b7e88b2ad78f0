"""A room is handed to another process at a tick's end, and its next tick comes in time."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.core.post import Adopt, decode_letter, encode_move
from server.host.handover import ADOPT_S, SUCCESSOR_S
from server.host.room_handle import RoomHandle
from server.store.base import Record, Status
from server.store.exchange import Gap, News, Process, Released
from tests.server.core.yard import Cave, Yard
from tests.server.host.rig import MoodyExchange, Rig
from tests.simulation.loop import virtually

PERIOD_S = 1 / 20


class Ear:
    """Hears a room's news: the ticks, and when each was told."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ticks: list[int] = []
        self.times: list[float] = []
        self.released: list[Released] = []

    async def open(self, room: str) -> Ear:
        await self.rig.exchange.follow(room, self.hear)
        return self

    def hear(self, news: News | Gap) -> None:
        if isinstance(news, Record):
            self.ticks.append(news.tick)
            self.times.append(round(asyncio.get_running_loop().time(), 4))
        elif isinstance(news, Released):
            self.released.append(news)

    def gaps_s(self) -> list[float]:
        return [round(b - a, 4) for a, b in zip(self.times, self.times[1:], strict=False)]


async def played(rig: Rig, name: str = "Ada") -> RoomHandle:
    """A room with somebody in it."""
    room, _ = await rig.room(name, private=True)
    await rig.ticks(room, 3)
    return rig.local(room)


def test_no_tick_is_missed_and_none_comes_late() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        ear = await Ear(one).open(room.id)
        followed = await two.host.reach(room.id)
        assert followed is not None
        followed.present(set(), 1)
        # Between two ticks.
        await one.seconds(1.02)
        epoch = room.epoch
        assert await one.host.handover.room(room)
        await one.seconds(1)
        assert (room.owned, followed.follower) == (None, None)
        assert followed.owned is not None
        assert room.epoch == followed.epoch > epoch
        assert room.match.tick == followed.owned.census.tick
        assert ear.ticks == list(range(ear.ticks[0], ear.ticks[0] + len(ear.ticks)))
        assert max(ear.gaps_s()) <= PERIOD_S * 1.13, "it keeps its time, or a phase near to it"
        assert [(news.epoch, news.to) for news in ear.released] == [(epoch, "host-2")]
        assert 20 < ear.released[0].due_ms <= 40
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_process_that_does_not_follow_is_asked_to_before_the_room_is_let_go() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        ear = await Ear(one).open(room.id)
        asked: list[bytes] = []
        await one.exchange.listen("host-2", asked.append)
        assert two.host.rooms() == []
        assert await one.host.handover.room(room)
        assert [decode_letter(letter)[1] for letter in asked] == [[Adopt(room.id)]]
        await one.seconds(0.5)
        [heir] = two.owned()
        assert heir.id == room.id
        assert max(ear.gaps_s()) <= PERIOD_S * 1.13
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_the_process_with_the_fewest_rooms_is_asked_first_and_one_that_is_named_alone() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two, three = await one.beside(2), await one.beside(3)
        rooms = [await played(one, name) for name in ("Ada", "Bob", "Cid")]
        await played(two, "Dan")
        await one.seconds(1)
        assert await one.host.handover.room(rooms[0])
        await one.seconds(1)
        assert [owned.id for owned in three.owned()] == [rooms[0].id]
        assert await one.host.handover.room(rooms[1], "host-2")
        assert rooms[1].id in [owned.id for owned in two.owned()]
        assert not await one.host.handover.room(rooms[2], "host-9"), "nobody has this name"
        assert not await one.host.handover.room(rooms[2], "host-1"), "this is where it is"
        assert rooms[2].owned is not None
        assert rooms[2].life.steps
        for rig in (three, two, one):
            await rig.stop()

    virtually(scenario())


def test_a_room_that_is_not_run_here_is_not_this_processs_to_give() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        followed = await two.host.reach(room.id)
        assert followed is not None
        assert not await two.host.handover.room(followed)
        assert room.owned is not None
        await two.stop()
        await one.stop()

    virtually(scenario())


@pytest.mark.parametrize("name", ["nobody", "closed", "other game"])
def test_where_nobody_would_take_it_a_room_stays_and_misses_nothing(name: str) -> None:
    async def scenario() -> None:
        one = await Rig({"yard": Yard(), "cave": Cave()}).start()
        others = {
            "nobody": [],
            "closed": [Process("other", 0, open=False, games=("yard",))],
            "other game": [Process("other", 0, open=True, games=("cave",))],
        }
        for process in others[name]:
            await one.exchange.beat(process)
        room = await played(one)
        ear = await Ear(one).open(room.id)
        assert not await one.host.handover.room(room)
        await one.seconds(1)
        assert room.owned is not None
        assert (set(ear.gaps_s()), ear.released) == ({PERIOD_S}, [])
        await one.stop()

    virtually(scenario())


def test_a_process_that_does_not_answer_is_waited_for_a_while_and_the_next_one_asked() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        await played(two, "Bob")
        await one.seconds(1)
        ear = await Ear(one).open(room.id)
        # It has the fewest rooms, and is dead.
        await one.exchange.beat(Process("another", 0, open=True, games=("yard",)))
        began = asyncio.get_running_loop().time()
        assert await one.host.handover.room(room)
        assert ADOPT_S <= asyncio.get_running_loop().time() - began < ADOPT_S + 0.5
        await one.seconds(0.5)
        assert room.id in [owned.id for owned in two.owned()]
        assert max(ear.gaps_s()) <= PERIOD_S * 1.13, "the room is stepped while it is waited for"
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_an_heir_that_dies_on_the_way_is_told_of_and_the_room_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        followed = await two.host.reach(room.id)
        assert followed is not None
        followed.present(set(), 1)
        await one.seconds(0.2)
        await two.kill()
        began = asyncio.get_running_loop().time()
        with caplog.at_level(logging.WARNING):
            assert await one.host.handover.room(room), "it is this process that takes it"
        assert asyncio.get_running_loop().time() - began < SUCCESSOR_S
        await one.seconds(0.5)
        assert room.owned is not None
        assert room.match.tick == one.store.committed(room.id)
        await one.stop()

    virtually(scenario())


def test_a_room_that_nobody_takes_in_time_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        followed = await two.host.reach(room.id)
        assert followed is not None
        followed.present(set(), 1)
        await one.seconds(0.2)
        await two.kill()
        # A process that drains does not take back what it lets go.
        one.host._draining = True
        with caplog.at_level(logging.WARNING):
            assert not await one.host.handover.room(room)
        assert f"room {room.id} was let go, and nobody has taken it yet" in caplog.text
        [entry] = await one.store.rooms()
        assert (entry.owner, entry.status) == ("", Status.LIVE)
        await one.stop()

    virtually(scenario())


def test_a_room_that_ends_meanwhile_is_not_handed_over() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        followed = await two.host.reach(room.id)
        assert followed is not None
        followed.present(set(), 1)
        await one.seconds(0.2)
        one.store.answering.clear()
        await one.seconds(0.1)
        assert room.owned is not None
        handing = asyncio.get_running_loop().create_task(one.host.handover.room(room))
        await one.seconds(0.01)
        assert not handing.done(), "a tick waits for its answer"
        room.fail("over")
        one.store.answering.set()
        assert not await handing
        await one.seconds(0.2)
        assert room.over is not None
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_directory_that_is_away_leaves_rooms_where_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        exchange = MoodyExchange(asyncio.get_running_loop().time)
        one = await Rig(exchange=exchange).start()
        room = await played(one)
        exchange.away = True
        with caplog.at_level(logging.WARNING):
            assert not await one.host.handover.room(room)
        assert "was not handed over: no directory" in caplog.text
        assert room.owned is not None
        assert room.life.steps
        assert not await one.host.has_peers()
        await one.stop()

    virtually(scenario())


@pytest.mark.parametrize("rooms", [1, 40])
def test_a_process_that_drains_hands_over_all_it_has(rooms: int) -> None:
    async def scenario() -> None:
        one = await Rig(rooms_max=100).start()
        two = Rig(dict(one.host.games), store=one.store, exchange=one.exchange, seed=2)
        two.host._rooms_max = 100
        await two.start()
        mine = [await played(one, f"player {n}") for n in range(rooms)]
        assert await one.host.has_peers()
        ears = [await Ear(one).open(room.id) for room in mine]
        await one.host.drain()
        await one.seconds(0.5)
        assert (len(one.owned()), len(two.owned())) == (0, rooms)
        for ear in ears:
            assert ear.ticks == list(range(ear.ticks[0], ear.ticks[0] + len(ear.ticks)))
            assert max(ear.gaps_s()) <= PERIOD_S * 1.13
        assert all(room.over is None for room in mine)
        await one.stop()
        await two.stop()

    virtually(scenario())


def test_an_operator_moves_a_room_by_a_letter(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room = await played(one)
        one.exchange.post(room.id, encode_move("host-2"))
        await one.seconds(1)
        assert [owned.id for owned in two.owned()] == [room.id]
        with caplog.at_level(logging.WARNING):
            one.exchange.post(room.id, encode_move("host-9"))
            one.exchange.post(room.id, b"\xc1")
            await one.seconds(0.5)
        assert "was asked to move, and nobody took it" in caplog.text
        assert "a letter cannot be read" in caplog.text
        assert [owned.id for owned in two.owned()] == [room.id]
        await two.stop()
        await one.stop()

    virtually(scenario())
