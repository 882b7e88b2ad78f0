"""A TCP proxy with knobs: whatever connects to it reaches a local port by lines of a seed.

The schedule is `server.core.line.Line`, for each direction of each connection; the rest is sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator
from random import Random

from server.core.line import PLAIN, Knobs, Line
from server.edge.wire import Flow, min_of

READ_AHEAD_BYTES = 64 * 1024


class Leg(asyncio.Protocol):
    """One socket of a pair; what it hears goes to the other by way of a flow."""

    transport: asyncio.Transport

    def __init__(self, pair: Pair, line: Line) -> None:
        self.other: Leg
        self._pair = pair
        self.flow = Flow(asyncio.get_running_loop(), line, self._deliver)
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=READ_AHEAD_BYTES)

    def data_received(self, data: bytes) -> None:
        self.flow.put(data)
        self.check()

    def eof_received(self) -> bool:
        self.flow.then(self._end)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._pair.end()

    def pause_writing(self) -> None:
        self.other._full = True
        self.other.check()

    def resume_writing(self) -> None:
        self.other._full = False
        self.other.check()

    def check(self) -> None:
        """Read on only while not too much is under way."""
        if self._full or self.flow.waiting > READ_AHEAD_BYTES:
            self.transport.pause_reading()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def _deliver(self, data: bytes) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.write(data)
        self.check()

    def _end(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.write_eof()
        self._pair.half_ended()


class Pair:
    """A connection through the proxy: the caller's socket and the one to the port behind."""

    def __init__(self, proxy: Proxy, up: Line, down: Line) -> None:
        self._proxy = proxy
        self.near = Leg(self, up)
        self.far = Leg(self, down)
        self.near.other, self.far.other = self.far, self.near
        self._ended = 0
        self._cutter: asyncio.TimerHandle | None = None

    async def begin(self, transport: asyncio.Transport, port: int) -> None:
        """Connect to the port behind; only then is the caller read."""
        transport.pause_reading()
        self.near.connection_made(transport)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.far, "127.0.0.1", port)
        except OSError:
            transport.abort()
            return
        self.tune(self._proxy.up, self._proxy.down)
        transport.set_protocol(self.near)
        transport.resume_reading()

    def tune(self, up: Knobs, down: Knobs) -> None:
        """Turn the knobs."""
        self.near.flow.tune(up)
        self.far.flow.tune(down)
        seconds = min_of(up.cut_after_s, down.cut_after_s)
        if self._cutter is not None:
            self._cutter.cancel()
        loop = asyncio.get_running_loop()
        self._cutter = loop.call_later(seconds, self.end) if seconds else None

    def half_ended(self) -> None:
        """One direction is over; with the second the connection is."""
        self._ended += 1
        if self._ended == 2:
            for leg in (self.near, self.far):
                leg.transport.close()

    def end(self) -> None:
        """Reset both sockets, or what is left of them."""
        self._proxy.forget(self)
        if self._cutter is not None:
            self._cutter.cancel()
        for leg in (self.near, self.far):
            leg.flow.stop()
            if self._ended == 2:
                leg.transport.close()
            else:
                reset(leg.transport)


def reset(transport: asyncio.Transport) -> None:
    """Close a socket so that its peer learns of no orderly end: with an RST, at once."""
    sock = transport.get_extra_info("socket")
    if not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Proxy:
    """Listens on `port`; `up` (towards the port behind) and `down` are turned by `tune`."""

    def __init__(self, port_behind: int, seed: int) -> None:
        self.port = 0
        self.connections = 0
        self.up = self.down = PLAIN
        self._port_behind = port_behind
        self._seed = seed
        self._pairs: set[Pair] = set()
        self._beginning: set[asyncio.Task[None]] = set()

    def tune(self, up: Knobs | None = None, down: Knobs | None = None) -> None:
        """Turn the knobs of the connections there are, and of those to come."""
        self.up, self.down = up or self.up, down or self.down
        for pair in self._pairs:
            pair.tune(self.up, self.down)

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            pair.end()

    def protocol(self) -> asyncio.Protocol:
        """The protocol of a new socket."""
        return _Door(self)

    def enter(self, transport: asyncio.Transport) -> None:
        """Carry one more connection."""
        self.connections += 1
        chances = [Random(f"{self._seed} {self.connections} {way}") for way in ("up", "down")]
        pair = Pair(self, Line(chances[0], self.up), Line(chances[1], self.down))
        self._pairs.add(pair)
        task = asyncio.ensure_future(pair.begin(transport, self._port_behind))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    def forget(self, pair: Pair) -> None:
        """A connection is over."""
        self._pairs.discard(pair)


class _Door(asyncio.Protocol):
    """A socket until its other half is connected."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._proxy.enter(transport)


@contextlib.asynccontextmanager
async def proxied(
    port_behind: int, *, seed: int = 0, up: Knobs = PLAIN, down: Knobs = PLAIN
) -> AsyncGenerator[Proxy]:
    """A proxy to a local port for the time of the block."""
    proxy = Proxy(port_behind, seed)
    proxy.tune(up, down)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(proxy.protocol, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
