"""How a supervisor tells other machines that one of its workers is stuck in a room.

It speaks to the store that the processes share, from a thread with a loop of its own: the
supervisor itself never waits. What cannot be told is lost; then a follower elsewhere may take the
room over and be stuck as well, and is ended by its own watchdog.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from server.store.exchange import Exchange
from shared.errors import StoreError


class StuckTeller:
    """Marks processes as stuck, each for `keep_s` seconds, through what `make` makes."""

    def __init__(self, make: Callable[[], Exchange], keep_s: float, log: logging.Logger) -> None:
        self._make = make
        self._keep_s = keep_s
        self._log = log
        self._loop = asyncio.new_event_loop()
        self._exchange: Exchange | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._failed = False
        self._opening = asyncio.Lock()
        # A daemon: it has nothing to finish when the supervisor ends.
        threading.Thread(target=self._run, name="stuck", daemon=True).start()
        # Connecting takes longer than there is time once a worker hangs.
        self._loop.call_soon_threadsafe(self._begin, self._connect_early())

    def tell(self, owner: str, room: str) -> None:
        """Say that a process is stuck in a room, or in none any more (""); returns at once."""
        self._loop.call_soon_threadsafe(self._begin, self._mark(owner, room))

    def _run(self) -> None:
        self._loop.run_forever()

    def _begin(self, work: Coroutine[Any, Any, object]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self) -> Exchange:
        """The way to the store, opened if need be; StoreError or OSError where there is none."""
        async with self._opening:
            if self._exchange is None:
                exchange = self._make()
                await exchange.open()
                self._exchange = exchange
        return self._exchange

    async def _connect_early(self) -> None:
        # The workers say what is wrong with the store; here it matters once one of them hangs.
        with suppress(StoreError, OSError):
            await self._connected()

    async def _mark(self, owner: str, room: str) -> None:
        try:
            exchange = await self._connected()
            await exchange.mark_stuck(owner, room, self._keep_s if room else 0.001)
            self._failed = False
        except (StoreError, OSError) as error:
            self._say(error)

    def _say(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            self._log.warning("other machines are not told of a worker that hangs: %s", error)
