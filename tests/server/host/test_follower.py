"""A follower misses nothing for long, and takes its room from the dead alone."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from server.core.presence import REPORT_S
from server.core.room import SeatRequest
from server.host.follower import REPEAT_S
from server.store.base import Held, Record, Taken
from server.store.exchange import Gap, NewEpoch, Released
from server.store.succeeding import Crashes
from shared.messages import Status
from tests.server.core.yard import nonce
from tests.server.host.pair import Lossy, Two, hears, two
from tests.server.host.rig import player
from tests.shared.reference import whole
from tests.simulation.loop import virtually


def same(both: Two) -> bool:
    """Whether the copy is the room."""
    room = both.room.owned
    assert room is not None
    return room.settled and whole(both.copy.match) == whole(room.match)


def seamless(ticks: list[int]) -> bool:
    return ticks == list(range(ticks[0], ticks[0] + len(ticks)))


@pytest.mark.parametrize("count", [1, 2, 30])
def test_news_that_are_lost_are_read_from_the_journal_as_soon_as_it_shows(count: int) -> None:
    async def scenario() -> None:
        exchange = Lossy()
        both = await two(exchange)
        first = both.there.ticks[-1]
        lost = range(first + 3, first + 3 + count)
        exchange.loses = lambda news: isinstance(news, Record) and news.tick in lost
        await both.one.seconds(1 + count / 20)
        assert both.there.ticks[-1] >= lost[-1] + 1
        assert seamless(both.there.ticks)
        assert both.room.owned is not None, "it lives, so it keeps its room"
        await both.one.seconds(0.01)
        assert same(both)
        await both.stop()

    virtually(scenario())


def test_a_follower_that_hears_nothing_asks_and_takes_no_room_whose_owner_lives() -> None:
    async def scenario() -> None:
        exchange = Lossy()
        both = await two(exchange)
        exchange.loses = lambda news: True
        before = both.there.ticks[-1]
        await both.one.seconds(3)
        counters = both.two.metrics.counters
        assert counters["silences_total"] > 5
        assert "takeovers_total" not in counters
        assert both.room.owned is not None
        # Only slower: what it asks the store for is what it missed.
        assert both.there.ticks[-1] > before + 3 * 20 - 10
        assert seamless(both.there.ticks)
        await both.stop()

    virtually(scenario())


def test_a_gap_makes_it_read_the_journal_and_shows_nothing_twice() -> None:
    async def scenario() -> None:
        exchange = Lossy()
        both = await two(exchange)
        last = both.there.ticks[-1]
        exchange.loses = lambda news: isinstance(news, Record)
        await both.one.seconds(0.07)
        assert both.there.ticks[-1] == last < both.one.store.committed(both.room.id)
        exchange.loses = lambda news: False
        for _ in range(3):
            hears(both, Gap())
        await asyncio.sleep(0.001)
        assert both.there.ticks[-1] == both.one.store.committed(both.room.id)
        await both.one.seconds(1)
        assert seamless(both.there.ticks)
        await both.stop()

    virtually(scenario())


def test_a_damaged_record_is_read_from_the_journal_instead(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        exchange = Lossy()
        both = await two(exchange)
        last = both.copy.match.tick
        exchange.loses = lambda news: isinstance(news, Record) and news.tick == last + 1
        with caplog.at_level(logging.ERROR):
            await both.one.seconds(0.04)
            hears(both, Record(both.copy.epoch, last + 1, b"spoiled"))
            await both.one.seconds(1)
        assert "checksum does not match" in caplog.text
        assert seamless(both.there.ticks)
        assert both.there.ticks[-1] > last + 10
        await both.stop()

    virtually(scenario())


def test_a_store_that_lost_its_end_takes_back_what_it_lost_from_who_follows() -> None:
    async def scenario() -> None:
        both = await two()
        await both.one.kill()
        kept = both.one.store._rooms[both.room.id]
        last, had = kept.tick, dict(kept.records)
        for tick in range(last - 4, last + 1):
            del kept.records[tick]
        kept.tick = last - 5
        await both.one.seconds(0.5)
        assert both.copy.owned is not None
        assert {n: kept.records[n] for n in range(last - 4, last + 1)} == {
            n: had[n] for n in range(last - 4, last + 1)
        }
        assert seamless(both.there.ticks)
        await both.two.stop()

    virtually(scenario())


def test_rows_that_never_were_are_dropped_for_those_that_are() -> None:
    async def scenario() -> None:
        both = await two()
        copy, epoch = both.copy, both.copy.epoch
        await both.one.kill()
        kept = both.one.store._rooms[both.room.id]
        last = kept.tick
        # The store came back without its end, and somebody went on from what was left.
        for tick in range(last - 4, last + 1):
            del kept.records[tick]
        kept.tick = last - 5
        taken = await both.one.store.acquire(both.room.id, "somebody else")
        hears(both, NewEpoch(taken.epoch, last - 5, "somebody else"))
        await both.one.seconds(0.02)
        assert (copy.match.tick, copy.epoch) == (last - 5, taken.epoch)
        assert both.there.changes[-1] == (taken.epoch, Status.LIVE)
        # It is followed, until nothing more is heard of it; then its ticks are this process's.
        await both.one.seconds(0.5)
        assert copy.owned is not None
        assert copy.diverged(epoch, last - 4)
        assert not copy.diverged(epoch, last - 5)
        assert not copy.diverged(copy.epoch, last)
        await both.two.stop()

    virtually(scenario())


def test_while_the_journal_cannot_be_read_the_room_stands_still_visibly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        both = await two()
        both.two.store.away = True

        async def tail(room: str, tick: int) -> None:
            both.two.store._mood()

        both.two.store.tail = tail  # type: ignore[method-assign, assignment]
        with caplog.at_level(logging.WARNING):
            hears(both, Gap())
            await both.one.seconds(0.1)
        assert "its journal cannot be read" in caplog.text
        assert both.there.changes == [(both.copy.epoch, Status.PAUSED)]
        del both.two.store.tail
        both.two.store.away = False
        await both.one.seconds(2)
        assert both.there.changes[-1] == (both.copy.epoch, Status.LIVE)
        assert seamless(both.there.ticks)
        assert both.there.end is None
        await both.stop()

    virtually(scenario())


def test_a_process_that_drains_takes_no_room_however_silent_its_owner() -> None:
    async def scenario() -> None:
        both = await two()
        both.two.host._draining = True
        await both.one.kill()
        await both.one.seconds(2)
        assert both.copy.owned is None
        assert "silences_total" not in both.two.metrics.counters
        both.two.host._draining = False
        await both.one.seconds(0.5)
        assert both.copy.owned is not None, "the control: else it would have"
        await both.two.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("to", "taken"), [("", True), ("host-2", True), ("host-3", False), ("host-1", False)]
)
def test_a_room_that_is_let_go_is_taken_by_whom_it_is_for_in_time_for_its_tick(
    to: str, taken: bool
) -> None:
    async def scenario() -> None:
        both = await two()
        room = both.room.owned
        assert room is not None
        while not room.settled:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.001)
        both.one.host.groups.remove(both.room)
        await asyncio.sleep(0.001)
        await both.one.store.release(room.id, room.epoch)
        tick = room.match.tick
        both.one.exchange.tell([(room.id, Released(room.epoch, tick, 20, to))])
        await asyncio.sleep(0.03)
        assert (both.copy.owned is not None) == taken
        if taken:
            assert both.copy.census.tick == tick + 1
            kept = await both.one.store.load(room.id)
            assert kept.recoveries == 0, "nobody crashed"
        await both.stop()

    virtually(scenario())


def test_who_missed_the_last_tick_before_it_was_let_go_reads_it_first() -> None:
    async def scenario() -> None:
        exchange = Lossy()
        both = await two(exchange)
        room = both.room.owned
        assert room is not None
        exchange.loses = lambda news: isinstance(news, Record)
        await both.one.ticks(room, 2)
        both.one.host.groups.remove(both.room)
        exchange.loses = lambda news: False
        await both.one.store.release(room.id, room.epoch)
        exchange.tell([(room.id, Released(room.epoch, room.match.tick, 20, "host-2"))])
        await asyncio.sleep(0.001)
        assert both.there.ticks[-1] == room.match.tick
        await both.one.seconds(0.5)
        assert both.copy.owned is not None, "nothing is heard of it any more"
        assert seamless(both.there.ticks)
        # A release of an owner before is no news.
        assert both.copy.epoch > room.epoch
        await both.stop()

    virtually(scenario())


def test_owners_that_get_nowhere_are_given_longer_and_longer() -> None:
    async def scenario() -> None:
        both = await two()
        await both.one.kill()
        loop = asyncio.get_running_loop()
        waits: list[float] = []
        for _ in range(5):
            began = loop.time()
            held = Held(both.copy.epoch, both.copy.match.tick)
            taken = await both.one.store.take_over(both.room.id, "luckless", held)
            assert isinstance(taken, Taken)
            both.one.store._rooms[both.room.id].crashes = Crashes()
            both.one.exchange.tell(
                [(both.room.id, NewEpoch(taken.epoch, both.copy.match.tick, "luckless"))]
            )
            await asyncio.sleep(0.01)
            mirror = both.copy.follower
            assert mirror is not None
            waits.append(mirror.detector.left_s(began))
        assert [round(b / a) for a, b in pairwise(waits)] == [2, 2, 2, 2]
        await both.one.seconds(waits[-1] + 0.5)
        assert both.copy.owned is not None
        await both.two.stop()

    virtually(scenario())


def test_a_letter_that_is_lost_is_sent_again_and_presence_is_told_every_second() -> None:
    async def scenario() -> None:
        both = await two()
        room = both.room.owned
        assert room is not None
        posted: list[float] = []
        loop = asyncio.get_running_loop()
        deliver = both.one.exchange.post
        lost = [True]

        def post(name: str, letter: bytes) -> None:
            posted.append(loop.time())
            if not lost[0]:
                deliver(name, letter)

        both.one.exchange.post = post  # type: ignore[method-assign]
        both.copy.join(SeatRequest(nonce("Bob"), "Bob"))
        await both.one.seconds(1)
        assert both.there.seated == {}
        assert 1 + 1 / REPEAT_S - 1 <= len(posted) <= 2 + 1 / REPEAT_S + 1
        lost[0] = False
        await both.one.seconds(0.5)
        assert both.there.seated == {nonce("Bob"): player(room, "Bob").id}
        posted.clear()
        await both.one.seconds(10)
        assert len(posted) in (9, 10), f"every {REPORT_S} s, and nothing else is open"
        await both.stop()

    virtually(scenario())
