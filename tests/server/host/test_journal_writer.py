"""What could not be written is written again, and whoever waits for it is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set

import pytest

from server.core.metrics import Metrics
from server.host.clock import LoopClock
from server.host.journal_writer import RETRY_S, JournalWriter
from server.store.base import Append, Fenced, OutOfOrder, Record, StoreCorrupt
from server.store.exchange import News
from tests.server.host.rig import LOG, MoodyStore
from tests.simulation.loop import virtually

ROOM, OTHER = "abcdefgh", "bcdefghi"


class Desk:
    """A writer on virtual time with two rooms to write."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.store = MoodyStore()
        self.metrics = Metrics()
        self.troubles: list[tuple[str, bool]] = []
        self.told: list[tuple[str, News]] = []
        self.writer = JournalWriter(
            self.store,
            LoopClock(loop.time, loop.time),
            self.metrics,
            LOG,
            self.trouble,
            self.told.extend,
        )

    def trouble(self, rooms: Set[str], away: bool) -> None:
        self.troubles += [(room, away) for room in rooms]

    async def open(self) -> Desk:
        await self.store.open()
        for room in (ROOM, OTHER):
            await self.store.create(room, b"")
            await self.store.acquire(room, "here")
        return self


def append(tick: int, room: str = ROOM, epoch: int = 1_000_000) -> Append:
    return Append(room, epoch, tick, b"record %d" % tick)


def test_each_append_has_its_own_outcome() -> None:
    async def scenario() -> None:
        desk = await Desk().open()
        batch = [append(1), append(1, OTHER, epoch=5), append(3)]
        outcomes = await desk.writer.commit(batch)
        assert outcomes[0] is None
        assert isinstance(outcomes[1], Fenced)
        assert isinstance(outcomes[2], OutOfOrder)
        assert (desk.troubles, desk.writer.failing) == ([], False)
        assert sum(desk.metrics.histograms["commit_seconds"].counts) == 1
        assert desk.store.batches == [batch]
        told = [(ROOM, Record(1_000_000, 1, b"record 1"))]
        assert desk.told == told, "nobody hears of what was refused"

    virtually(scenario())


def test_while_the_store_is_away_the_same_batch_is_tried_again() -> None:
    async def scenario() -> None:
        desk = await Desk().open()
        loop = asyncio.get_running_loop()
        desk.store.away = True
        writing = loop.create_task(desk.writer.commit([append(1)]))
        await asyncio.sleep(sum(RETRY_S) + 2 * RETRY_S[-1] - 0.01)
        assert desk.writer.failing
        assert desk.troubles == [(ROOM, True)], "told once"
        assert desk.told == [], "nobody hears of what is not committed"
        assert len(desk.store.batches) == len(RETRY_S) + 2
        assert desk.metrics.counters["store_retries_total"] == len(RETRY_S) + 2
        desk.store.away = False
        assert await writing == [None]
        assert (desk.troubles, desk.writer.failing) == ([(ROOM, True), (ROOM, False)], False)
        assert desk.store.committed(ROOM) == 1
        assert [(room, news.epoch) for room, news in desk.told] == [(ROOM, 1_000_000)]
        assert all(batch == [append(1)] for batch in desk.store.batches)

    virtually(scenario())


def test_each_room_goes_on_when_it_is_written() -> None:
    async def scenario() -> None:
        desk = await Desk().open()
        loop = asyncio.get_running_loop()
        desk.store.away = True
        first = loop.create_task(desk.writer.commit([append(1)]))
        await asyncio.sleep(0.2)
        second = loop.create_task(desk.writer.commit([append(1, OTHER)]))
        await asyncio.sleep(0.01)
        desk.store.away = False
        await second
        assert not first.done()
        assert desk.troubles == [(ROOM, True), (OTHER, True), (OTHER, False)]
        assert desk.writer.failing, "one of them still waits"
        await first
        assert desk.troubles[-1] == (ROOM, False)
        assert not desk.writer.failing

    virtually(scenario())


def test_what_does_not_go_away_by_itself_is_every_appends_outcome() -> None:
    async def scenario() -> None:
        desk = await Desk().open()
        desk.store.broken = StoreCorrupt("torn")
        outcomes = await desk.writer.commit([append(1), append(1, OTHER)])
        assert outcomes == [desk.store.broken] * 2
        assert desk.told == []
        assert not desk.writer.failing
        desk.store.broken = None
        assert await desk.writer.commit([append(1)]) == [None]

    virtually(scenario())


def test_a_bug_of_ours_is_not_retried_and_is_the_batchs_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        desk = await Desk().open()
        with caplog.at_level(logging.CRITICAL):
            [outcome] = await desk.writer.commit([append(0)])
        assert "ticks and epochs are between 1" in str(outcome)
        assert "the store's client failed" in caplog.text
        assert not desk.writer.failing

    virtually(scenario())
