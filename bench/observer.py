"""Watches journals grow, from the outside and without owning anything, so that all can be judged.

Checkpoints drop what is behind them, and a store may lose or change what it had: so journals are
read a few times a second, each time a little further back than what is known already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bench.checker import rows_digest
from bench.history import Recovered, RoomHistory
from server.core.journal import restore
from server.core.lobby import RoomMeta
from server.store.base import Loaded, NoSuchRoom, Record, Store, StoreUnavailable
from shared.game import Game

LOOK_S = 0.5
OVERLAP_TICKS = 30
"""What was read is read again for so long, to see whether it still says the same."""


class Observer:
    """`histories` is what was seen, by room. `store` is opened and closed by whoever made it."""

    def __init__(self, store: Store, games: Mapping[str, Game]) -> None:
        self.histories: dict[str, RoomHistory] = {}
        self.away = 0
        self._store = store
        self._games = games
        self._newest: dict[str, dict[int, Record]] = {}

    async def run(self) -> None:
        """Look until cancelled; a store that is away is looked at again."""
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                self.away += 1
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Read what is new in every room; StoreUnavailable where the store does not answer."""
        for entry in await self._store.rooms():
            try:
                if entry.room not in self.histories:
                    self._begin(await self._store.load(entry.room))
                elif entry.tick != max(self._newest[entry.room], default=0):
                    await self._follow(entry.room)
            except NoSuchRoom:
                # It was closed in between; what was seen of it is judged.
                continue

    async def recover(self) -> None:
        """Rebuild every room as its next owner would, to be compared with what was observed."""
        for room, history in self.histories.items():
            try:
                loaded = await self._store.load(room)
            except NoSuchRoom:
                continue
            options = history.game.options.from_wire(list(history.meta.options))
            checkpoints = [checkpoint.blob for checkpoint in loaded.checkpoints]
            records = [record.record for record in loaded.records]
            match = restore(history.game, options, history.meta.seed, checkpoints, records)
            found = Recovered("who would own it next", match.tick, rows_digest(match))
            history.recovered.append(found)

    async def epochs(self) -> dict[str, int]:
        """The epoch of every room that is not closed, as the store has it now."""
        return {entry.room: entry.epoch for entry in await self._store.rooms()}

    def _begin(self, loaded: Loaded) -> None:
        meta = RoomMeta.decode(loaded.meta)
        history = RoomHistory(loaded.room, self._games[meta.game], meta)
        records = loaded.records
        if loaded.checkpoints and not (records and records[0].tick == 1):
            history.start = loaded.checkpoints[-1]
        self.histories[loaded.room] = history
        self._newest[loaded.room] = {}
        self._take(loaded.room, records)

    async def _follow(self, room: str) -> None:
        newest = self._newest[room]
        start = self.histories[room].start
        first = start.tick if start else 0
        last = max(newest, default=first)
        tail = await self._store.tail(room, max(first, last - OVERLAP_TICKS))
        if not tail.records:
            # What is further back was trimmed.
            tail = await self._store.tail(room, last)
        if not tail.records and tail.tick > last:
            raise RuntimeError(
                f"room {room}: ticks after {last} were trimmed before they were read"
            )
        self._take(room, tail.records)

    def _take(self, room: str, records: Sequence[Record]) -> None:
        history, newest = self.histories[room], self._newest[room]
        for record in records:
            if newest.get(record.tick) != record:
                newest[record.tick] = record
                history.writes.append(record)
        for tick in [tick for tick in newest if tick < max(newest) - 4 * OVERLAP_TICKS]:
            del newest[tick]
