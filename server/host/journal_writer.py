"""Commits the ticks of a process's rooms to the store, and waits out the store's troubles.

While the store is away nothing is dropped: the batch is repeated until it is answered, and the
rooms whose ticks it holds stand still, visibly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence, Set

from server.core.metrics import Metrics
from server.core.ports import Clock
from server.store.base import Append, Record, Store, StoreUnavailable
from server.store.exchange import News
from shared.errors import StoreError

RETRY_S = (0.05, 0.1, 0.25, 0.5, 1.0)


class JournalWriter:
    """One per process; phases call `commit` side by side, and the store joins their writes.

    `trouble` hears of rooms whose ticks cannot be committed (True), or can again (False).
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        log: logging.Logger,
        trouble: Callable[[Set[str], bool], None],
        tell: Callable[[Sequence[tuple[str, News]]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._trouble = trouble
        self._tell = tell
        self._failing = 0

    @property
    def failing(self) -> bool:
        """Whether the store refused the last attempt."""
        return self._failing > 0

    def shard(self, room: str) -> str:
        """Which part of the store keeps a room."""
        return self._store.shard(room)

    async def commit(self, batch: Sequence[Append]) -> list[StoreError | None]:
        """One outcome per append, None for committed; returns when the store has answered."""
        began = self._clock.stopwatch_s()
        outcomes: list[StoreError | None]
        attempt = 0
        while True:
            try:
                outcomes = await self._store.append(batch)
            except StoreUnavailable as error:
                if attempt == 0:
                    self._failing += 1
                    self._log.error("store unavailable, rooms stand still: %s", error)
                    self._trouble({entry.room for entry in batch}, True)
                self._metrics.count("store_retries_total")
                await self._clock.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1
                continue
            except StoreError as error:
                # It will not go away by itself, so these rooms end; whoever repairs the store
                # finds their journal as it was.
                outcomes = [error for _ in batch]
            except Exception as error:  # noqa: BLE001 - a bug of ours, or of the store's client.
                self._log.critical("the store's client failed", exc_info=error)
                outcomes = [StoreError(f"the store's client failed: {error}") for _ in batch]
            if attempt:
                self._failing -= 1
                self._log.warning("store is back after %d attempts, rooms go on", attempt)
                self._trouble({entry.room for entry in batch}, False)
            self._metrics.observe("commit_seconds", self._clock.stopwatch_s() - began)
            # Only now may anybody hear of these ticks: a refused one must not be told.
            self._tell(
                [
                    (entry.room, Record(entry.epoch, entry.tick, entry.record))
                    for entry, outcome in zip(batch, outcomes, strict=True)
                    if outcome is None
                ]
            )
            return outcomes
