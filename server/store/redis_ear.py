"""What a process hears from the others through a Redis: who here hears which channel.

A channel is subscribed to once, however many here hear it, and only while somebody does. When a
connection breaks, its channels are subscribed to again on the next one; when a channel's slot moves
to another node of a cluster, it is subscribed to there. Whoever heard it is told of the gap as soon
as the Redis has confirmed that there is none from here on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_each import EachNode
from server.store.redis_nodes import Nodes
from server.store.redis_subscriber import Subscriber


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
    """Those who hear a channel, where it is subscribed to, and whether that is confirmed."""

    __slots__ = ("at", "confirmed", "hearings", "interrupted")

    def __init__(self, at: Subscriber) -> None:
        self.hearings: list[Hearing] = []
        # None while it is not known who keeps it.
        self.at: Subscriber | None = at
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.interrupted = False

    def interrupt(self) -> None:
        """It is not heard any more, until it is confirmed again."""
        if self.confirmed.done():
            self.interrupted = True
            self.confirmed = asyncio.get_running_loop().create_future()

    def fail(self, error: StoreUnavailable) -> None:
        """Tell those who wait for the confirmation that it does not come, and interrupt it."""
        if not self.confirmed.done():
            self.confirmed.set_exception(error)
            # Nobody may wait any more, and that is no fault.
            self.confirmed.exception()
            self.confirmed = asyncio.get_running_loop().create_future()
        self.interrupt()


class Ear:
    """Hears channels, on one connection a node; made closed."""

    def __init__(
        self,
        nodes: Nodes,
        answer_s: float,
        chance: Callable[[int], bytes],
        log: logging.Logger,
    ) -> None:
        self._nodes = nodes
        self._log = log
        self._channels: dict[bytes, _Channel] = {}

        def make(node: Address) -> Subscriber:
            told = nodes.doubt
            return Subscriber(node, answer_s, chance, log, self, told, sharded=nodes.sharded)

        self._subscribers = EachNode(nodes, make, Subscriber.close)
        nodes.when_learnt(self._learnt)

    async def open(self) -> None:
        """Connect to every node; raise `StoreUnavailable` saying why that cannot be."""
        for subscriber in self._subscribers.all():
            await subscriber.link.open()

    async def close(self) -> None:
        """Hear nothing more."""
        for channel in self._channels.values():
            channel.fail(StoreUnavailable(f"the exchange {self._nodes.address} was closed"))
        self._channels.clear()
        await self._subscribers.close()

    async def hear(
        self, channel: bytes, hear: Callable[[bytes], None], gap: Callable[[], None]
    ) -> Hearing:
        """Hear a channel from when this returns; raise `StoreUnavailable` while that cannot be."""
        found = self._channels.get(channel)
        at = found.at if found is not None else self._subscribers.of(channel)
        if at is None:
            raise StoreUnavailable(f"{self._nodes.address} is moving {channel!r}: wait for it")
        if at.link.connection is None:
            raise at.link.unavailable()
        if found is None:
            found = self._channels[channel] = _Channel(at)
            at.subscribe([channel])
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
            if channel.at is not None:
                channel.at.unsubscribe(hearing.channel)

    def _learnt(self) -> None:
        """Listen where the channels are kept now."""
        for subscriber in self._subscribers.all():
            subscriber.link.begin()
        for name, channel in self._channels.items():
            at = self._subscribers.of(name)
            if channel.at is not at:
                if channel.at is not None:
                    channel.at.unsubscribe(name)
                channel.at = at
                channel.interrupt()
                at.subscribe([name])

    def connected(self, at: Subscriber) -> None:
        """Subscribe to everything that is kept there."""
        at.subscribe(name for name, channel in self._channels.items() if channel.at is at)

    def lost(self, at: Subscriber, error: StoreUnavailable) -> None:
        """Nothing is heard from there until it is confirmed anew."""
        for channel in self._channels.values():
            if channel.at is at:
                channel.fail(error)

    def confirmed(self, at: Subscriber, channel: bytes) -> None:
        """A channel is heard from here on; who heard it before is told of the gap."""
        found = self._channels.get(channel)
        if found is None or found.at is not at or found.confirmed.done():
            return
        found.confirmed.set_result(None)
        if found.interrupted:
            found.interrupted = False
            self._tell(found, None)

    def message(self, channel: bytes, message: bytes) -> None:
        """Let all hear it who hear the channel."""
        found = self._channels.get(channel)
        if found is not None and found.confirmed.done():
            self._tell(found, message)

    def astray(self, at: Subscriber, channel: bytes) -> None:
        """Find out who keeps a channel, unless nobody hears it there any more."""
        found = self._channels.get(channel)
        if found is not None and found.at is at:
            found.at = None
            found.fail(StoreUnavailable(f"{at.address} keeps {channel!r} no more: wait for it"))
            self._nodes.doubt()

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
