"""A connection to a Redis that is made anew, later and later, whenever it has broken.

It is for what may be lost. The journal has none of it: after a break it must first find out what
was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_connection import Connection, connect
from shared.errors import StoreError

AGAIN_S = 0.05
"""The first pause before a new attempt; each one after it doubles, up to `AGAIN_MAX_S`."""
AGAIN_MAX_S = 2.0


class Link:
    """Made closed; `connected` hears each new connection, `lost` that it broke and why.

    `missed` is called whenever nothing could be reached: another Redis may have taken its place.

    `chance` gives that many random bytes: half of each pause is left to it, so that the processes
    of a Redis that comes back do not all come at once.
    """

    def __init__(
        self,
        address: Address,
        answer_s: float,
        chance: Callable[[int], bytes],
        connected: Callable[[Connection], None],
        lost: Callable[[StoreUnavailable], None],
        missed: Callable[[], None],
    ) -> None:
        self._address = address
        self._answer_s = answer_s
        self._chance = chance
        self._connected = connected
        self._lost = lost
        self._missed = missed
        self._connection: Connection | None = None
        self._again: asyncio.Task[None] | None = None
        self._is_open = False

    @property
    def connection(self) -> Connection | None:
        """The connection, unless it is broken."""
        return self._connection

    def unavailable(self) -> StoreUnavailable:
        """What to raise while there is no connection."""
        if not self._is_open:
            return StoreUnavailable(f"the exchange {self._address} is not open: open it before use")
        return StoreUnavailable(f"{self._address} is away: it is being tried again")

    async def open(self) -> None:
        """Connect; raise `StoreUnavailable` saying why that cannot be. Twice does nothing."""
        if self._is_open:
            return
        made = await connect(self._address, self._answer_s, self._broke)
        if made.broken:
            raise StoreUnavailable(f"{self._address} ended the connection at once: see its log")
        self._is_open = True
        self._take(made)

    def begin(self) -> None:
        """Connect in the background, for as long as it takes. Twice does nothing."""
        if self._is_open:
            return
        self._is_open = True
        self._again = asyncio.get_running_loop().create_task(self._connect_again(0.0))

    async def close(self) -> None:
        """Let what was asked be answered, and connect no more."""
        self._is_open = False
        if self._again is not None:
            self._again.cancel()
            with suppress(asyncio.CancelledError):
                await self._again
            self._again = None
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.finish()

    def _take(self, connection: Connection) -> None:
        self._connection = connection
        self._connected(connection)

    def _broke(self) -> None:
        """Called by a connection that breaks, also by one that is still being made or closed."""
        if self._connection is None:
            return
        self._connection = None
        self._again = asyncio.get_running_loop().create_task(self._connect_again(AGAIN_S))
        self._lost(self.unavailable())
        self._missed()

    async def _connect_again(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s * (1 + self._chance(1)[0] / 255) / 2)
            pause_s = max(AGAIN_S, min(2 * pause_s, AGAIN_MAX_S))
            # A Redis that starts or refuses us for now is no reason to give it up.
            with suppress(StoreError):
                made = await connect(self._address, self._answer_s, self._broke)
                if not made.broken:
                    self._take(made)
                    return
            self._missed()
