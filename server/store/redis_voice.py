"""What a process says by one node: all of one turn of the loop in one write.

Nothing here waits. What is said while the Redis is away, or while too much of what was said before
has not left, is lost, and the log says when that begins and ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import hiredis

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_connection import Connection, Reply
from server.store.redis_errors import elsewhere, refusal
from server.store.redis_link import Link

BACKLOG_BYTES_MAX = 8_000_000
"""Some 3 s of 100 rooms at 30 Hz; `ANSWER_S` mostly ends a connection that hangs before that."""


class Voice:
    """Publishes on, and asks by, a connection of its own; made closed.

    `astray` is called when the node is away, or says that another one keeps what it was told.
    """

    def __init__(
        self,
        address: Address,
        answer_s: float,
        chance: Callable[[int], bytes],
        log: logging.Logger,
        astray: Callable[[], None],
    ) -> None:
        self._address = address
        self._log = log
        self._astray = astray
        self.link = Link(address, answer_s, chance, self._connected, self._lost_link, astray)
        self._said: list[bytes] = []
        self._lost = 0
        self._refused = False

    async def close(self) -> None:
        """Say what is left to say, and end."""
        self._flush()
        await self.link.close()

    def say(self, command: bytes) -> None:
        """Say something by the end of this turn of the loop."""
        if not self._said:
            asyncio.get_running_loop().call_soon(self._flush)
        self._said.append(command)

    async def ask(self, command: bytes) -> Reply:
        """One reply, after all that was said before; raise `StoreUnavailable` with why not."""
        self._flush()
        connection = self.link.connection
        if connection is None:
            raise self.link.unavailable()
        (reply,) = await connection.replies(command)
        if isinstance(reply, hiredis.ReplyError):
            if elsewhere(str(reply)):
                self._astray()
            # The rooms may be sound whatever the directory holds: nothing is called damaged.
            raise StoreUnavailable(str(refusal(self._address, str(reply))))
        return reply

    def _flush(self) -> None:
        said, self._said = self._said, []
        if not said:
            return
        connection = self.link.connection
        if connection is None or connection.backlog > BACKLOG_BYTES_MAX:
            if not self._lost:
                self._log.warning("%s does not take what is told: it is lost", self._address)
            self._lost += len(said)
            return
        if self._lost:
            self._found()
        connection.ask(said, self._answered)

    def _answered(self, replies: list[Reply] | StoreUnavailable) -> None:
        if isinstance(replies, StoreUnavailable):
            return
        for reply in replies:
            if not isinstance(reply, hiredis.ReplyError):
                continue
            if elsewhere(str(reply)):
                self._astray()
                return
            if not self._refused:
                self._refused = True
                self._log.error("%s", refusal(self._address, str(reply)))
            return

    def _connected(self, connection: Connection) -> None:
        del connection
        self._refused = False
        if self._lost:
            self._found()

    def _found(self) -> None:
        self._log.warning("%s takes what is told again; %d were lost", self._address, self._lost)
        self._lost = 0

    def _lost_link(self, error: StoreUnavailable) -> None:
        self._log.warning("%s", error)
