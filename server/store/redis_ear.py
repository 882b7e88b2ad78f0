"""What a process hears from the others through a Redis: every channel on one connection.

A channel is subscribed to once, however many here hear it, and only while somebody does. When the
connection breaks, all channels are subscribed to again on the next one, and whoever heard one is
told of the gap as soon as the Redis has confirmed that there is none from here on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import hiredis

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_connection import Connection, Reply, silent
from server.store.redis_errors import refusal
from server.store.redis_link import Link

_PING = hiredis.pack_command((b"PING",))


class Hearing:
    """One who hears a channel until it is cancelled."""

    __slots__ = ("_ear", "channel", "gap", "hear")

    def __init__(
        self, ear: Ear, channel: bytes, hear: Callable[[bytes], None], gap: Callable[[], None]
    ) -> None:
        self._ear = ear
        self.channel = channel
        self.hear = hear
        self.gap = gap

    def cancel(self) -> None:
        """Hear no more; doing so twice does nothing."""
        self._ear.forget(self)


class _Channel:
    """Those who hear a channel, and whether the Redis has said that it sends it."""

    __slots__ = ("confirmed", "hearings", "interrupted")

    def __init__(self) -> None:
        self.hearings: list[Hearing] = []
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.interrupted = False


class Ear:
    """Hears channels on a connection of its own; made closed."""

    def __init__(
        self, address: Address, answer_s: float, chance: Callable[[int], bytes], log: logging.Logger
    ) -> None:
        self._address = address
        self._log = log
        self._answer_s = answer_s
        self._link = Link(address, answer_s, chance, self._connected, self._lost)
        self._channels: dict[bytes, _Channel] = {}
        # How many SUBSCRIBEs of a channel were not yet confirmed on this connection.
        self._asked: dict[bytes, int] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._alive = True

    async def open(self) -> None:
        """Connect; raise `StoreUnavailable` saying why that cannot be."""
        await self._link.open()

    async def close(self) -> None:
        """Hear nothing more."""
        if self._watch is not None:
            self._watch.cancel()
        for channel in self._channels.values():
            _fail(channel, StoreUnavailable(f"the exchange {self._address} was closed"))
        self._channels.clear()
        self._asked.clear()
        await self._link.close()

    async def hear(
        self, channel: bytes, hear: Callable[[bytes], None], gap: Callable[[], None]
    ) -> Hearing:
        """Hear a channel from when this returns; raise `StoreUnavailable` while that cannot be."""
        connection = self._link.connection
        if connection is None:
            raise self._link.unavailable()
        found = self._channels.get(channel)
        if found is None:
            found = self._channels[channel] = _Channel()
            self._subscribe(connection, [channel])
        hearing = Hearing(self, channel, hear, gap)
        found.hearings.append(hearing)
        try:
            await asyncio.shield(found.confirmed)
        except BaseException:
            hearing.cancel()
            raise
        return hearing

    def forget(self, hearing: Hearing) -> None:
        """Take one off its channel, and the channel off the Redis if it was the last."""
        channel = self._channels.get(hearing.channel)
        if channel is None or hearing not in channel.hearings:
            return
        channel.hearings.remove(hearing)
        if not channel.hearings:
            del self._channels[hearing.channel]
            if self._link.connection is not None:
                self._link.connection.say([hiredis.pack_command((b"UNSUBSCRIBE", hearing.channel))])

    def _subscribe(self, connection: Connection, channels: list[bytes]) -> None:
        for channel in channels:
            self._asked[channel] = self._asked.get(channel, 0) + 1
        connection.say([hiredis.pack_command((b"SUBSCRIBE", *channels))])

    def _connected(self, connection: Connection) -> None:
        connection.listen(self._heard)
        self._alive = True
        self._look()
        if self._channels:
            self._subscribe(connection, list(self._channels))

    def _lost(self, error: StoreUnavailable) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._asked.clear()
        for channel in self._channels.values():
            if channel.confirmed.done():
                channel.interrupted = True
            else:
                _fail(channel, error)
            channel.confirmed = asyncio.get_running_loop().create_future()

    def _look(self) -> None:
        """Ask whether the Redis is there; drop the connection where it said nothing since."""
        connection = self._link.connection
        if connection is None:
            return
        if not self._alive:
            connection.drop(silent(self._address, self._answer_s))
            return
        self._alive = False
        connection.say([_PING])
        self._watch = asyncio.get_running_loop().call_later(self._answer_s, self._look)

    def _heard(self, reply: Reply) -> None:
        """Judge what came; all but messages is rare."""
        self._alive = True
        match reply:
            case [b"message", bytes(name), bytes(message)]:
                channel = self._channels.get(name)
                if channel is not None and channel.confirmed.done():
                    self._tell(channel, message)
            case [b"subscribe", bytes(name), int()]:
                self._confirm(name)
            case hiredis.ReplyError():
                # There is no telling what it refuses, so nothing is heard until that is mended.
                error = refusal(self._address, str(reply))
                self._log.error("%s", error)
                self._drop(error)
            case b"PONG" | [b"pong", bytes()] | [b"unsubscribe", bytes(), int()]:
                pass
            case _:
                self._drop(StoreUnavailable(f"{self._address} sent what nobody asked for"))

    def _confirm(self, name: bytes) -> None:
        self._asked[name] = self._asked.get(name, 1) - 1
        if self._asked[name]:
            return
        del self._asked[name]
        channel = self._channels.get(name)
        if channel is None or channel.confirmed.done():
            return
        channel.confirmed.set_result(None)
        if channel.interrupted:
            channel.interrupted = False
            self._tell(channel, None)

    def _tell(self, channel: _Channel, message: bytes | None) -> None:
        """Let all hear a message, or (None) of a gap; what one raises is its own affair."""
        for hearing in channel.hearings.copy():
            if hearing not in channel.hearings:
                continue
            try:
                if message is None:
                    hearing.gap()
                else:
                    hearing.hear(message)
            except Exception:  # noqa: BLE001 - It is logged, and the others must hear.
                self._log.exception("who hears %s failed", hearing.channel)

    def _drop(self, error: Exception) -> None:
        if self._link.connection is not None:
            self._link.connection.drop(StoreUnavailable(str(error)))


def _fail(channel: _Channel, error: StoreUnavailable) -> None:
    """Tell those who wait for the confirmation that it does not come."""
    if not channel.confirmed.done():
        channel.confirmed.set_exception(error)
        # Nobody may wait any more, and that is no fault.
        channel.confirmed.exception()
