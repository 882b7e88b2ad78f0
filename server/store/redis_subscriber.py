"""What is subscribed to at one node: the commands, their confirmations, and a watch on silence.

It knows which channels were asked for on its connection, and nothing of who hears them: that is the
ear's (`redis_ear`), which subscribes to everything again on each new connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import hiredis

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_connection import Connection, Reply, silent
from server.store.redis_errors import elsewhere, refusal
from server.store.redis_link import Link

_PING = hiredis.pack_command((b"PING",))


class Listener(Protocol):
    """Who is told what came of it."""

    def connected(self, at: Subscriber) -> None:
        """There is a connection on which nothing is subscribed to."""

    def lost(self, at: Subscriber, error: StoreUnavailable) -> None:
        """Nothing is heard there any more."""

    def confirmed(self, at: Subscriber, channel: bytes) -> None:
        """From here on a channel is heard without a gap."""

    def message(self, channel: bytes, message: bytes) -> None:
        """Something was said on a channel."""

    def astray(self, at: Subscriber, channel: bytes) -> None:
        """Another node keeps this channel."""


class Subscriber:
    """Subscribes at one node, on a connection of its own; made closed.

    `sharded` says that channels have slots, so that each is asked for alone. `missed` is called
    whenever the node could not be reached.
    """

    def __init__(
        self,
        address: Address,
        answer_s: float,
        chance: Callable[[int], bytes],
        log: logging.Logger,
        listener: Listener,
        missed: Callable[[], None],
        *,
        sharded: bool,
    ) -> None:
        self.address = address
        self.link = Link(address, answer_s, chance, self._connected, self._lost, missed)
        self._answer_s = answer_s
        self._log = log
        self._listener = listener
        self._verb = b"S" if sharded else b""
        # The channels asked for and not yet confirmed on this connection, in their order.
        self._asked: deque[bytes] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._alive = True

    async def close(self) -> None:
        """Hear nothing more."""
        if self._watch is not None:
            self._watch.cancel()
        self._asked.clear()
        await self.link.close()

    def subscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for channels; nothing happens while there is no connection."""
        if self.link.connection is not None:
            names = list(channels)
            self._asked.extend(names)
            verb = self._verb + b"SUBSCRIBE"
            self.link.connection.say([hiredis.pack_command((verb, name)) for name in names])

    def unsubscribe(self, channel: bytes) -> None:
        """Hear a channel no more."""
        if self.link.connection is not None:
            verb = self._verb + b"UNSUBSCRIBE"
            self.link.connection.say([hiredis.pack_command((verb, channel))])

    def _connected(self, connection: Connection) -> None:
        connection.listen(self._heard)
        self._asked.clear()
        self._alive = True
        self._look()
        self._listener.connected(self)

    def _lost(self, error: StoreUnavailable) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._listener.lost(self, error)

    def _look(self) -> None:
        """Ask whether the Redis is there; drop the connection where it said nothing since."""
        connection = self.link.connection
        if connection is None:
            return
        if not self._alive:
            connection.drop(silent(self.address, self._answer_s))
            return
        self._alive = False
        connection.say([_PING])
        self._watch = asyncio.get_running_loop().call_later(self._answer_s, self._look)

    def _heard(self, reply: Reply) -> None:
        """Judge what came; all but messages is rare."""
        self._alive = True
        match reply:
            case [b"message" | b"smessage", bytes(channel), bytes(message)]:
                self._listener.message(channel, message)
            case [b"subscribe" | b"ssubscribe", bytes(channel), int()]:
                # A channel that was given up and asked for again has two confirmations to come.
                self._answered()
                if channel not in self._asked:
                    self._listener.confirmed(self, channel)
            case [b"unsubscribe" | b"sunsubscribe", bytes(channel), int()]:
                # Where nobody asked for it, the slot of the channel has moved; the ear knows.
                if channel not in self._asked:
                    self._listener.astray(self, channel)
            case hiredis.ReplyError() if self._asked and elsewhere(str(reply)):
                self._listener.astray(self, self._asked.popleft())
            case hiredis.ReplyError():
                # Nothing is heard until that is mended.
                error = refusal(self.address, str(reply))
                self._log.error("%s", error)
                self._drop(error)
            case b"PONG" | [b"pong", bytes()]:
                pass
            case _:
                self._drop(StoreUnavailable(f"{self.address} sent what nobody asked for"))

    def _answered(self) -> None:
        if self._asked:
            self._asked.popleft()

    def _drop(self, error: Exception) -> None:
        if self.link.connection is not None:
            self.link.connection.drop(StoreUnavailable(str(error)))
