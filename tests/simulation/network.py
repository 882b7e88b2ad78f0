"""A network in memory: the bots' sockets and the listener's, joined by lines of seeded latency."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from random import Random

from websockets.uri import parse_uri

from bots.websocket import Receiver, Socket, Unreachable, WebSocket
from server.edge.listener import Listener

LATENCY_S = (0.005, 0.06)


class Transport(asyncio.Transport):
    """One end of a line; what is written arrives at the other end, later and in order."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, rng: Random, context: Context | None
    ) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol
        self.peer: Transport
        # Whose turn it is to hear what arrives at this end.
        self.context = context
        self._loop = loop
        self._rng = rng
        self._arrival_s = 0.0
        self._waiting = 0
        self._closing = False
        self._lost = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            payload = bytes(data)
            self._waiting += len(payload)
            self._later(self._deliver, payload)

    def write_eof(self) -> None:
        self._later(self.peer._hear_eof)

    def close(self) -> None:
        """Close once what was written has arrived."""
        if not self._closing:
            self._closing = True
            self._later(self._lose)

    def abort(self) -> None:
        """Close at once; what is under way is lost."""
        self._closing = True
        self._lose()

    def _lose(self) -> None:
        """The line is gone: both ends learn of it, each in a turn of its own."""
        for end in (self, self.peer):
            if not end._lost:
                end._lost = end._closing = True
                self._loop.call_soon(end.protocol.connection_lost, None, context=end.context)

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return self._waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing here is ever stuffed."""

    def pause_reading(self) -> None:
        """Nothing here reads ahead."""

    def resume_reading(self) -> None:
        """It never stopped."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.7", 4711) if name == "peername" else default

    def _later(self, call: object, *arguments: object) -> None:
        """After a time of this line's own, and never before what was sent earlier."""
        due_s = self._loop.time() + self._rng.uniform(*LATENCY_S)
        self._arrival_s = max(self._arrival_s + 1e-9, due_s)
        assert callable(call)
        self._loop.call_at(self._arrival_s, call, *arguments, context=self.peer.context)

    def _deliver(self, payload: bytes) -> None:
        self._waiting -= len(payload)
        if not self.peer._lost:
            self.peer.protocol.data_received(payload)

    def _hear_eof(self) -> None:
        if not self._lost and not self.protocol.eof_received():
            self.close()


class Network:
    """Where the bots' `connect` leads: to whichever listener is plugged in, or to nobody."""

    def __init__(self, seed: int | str) -> None:
        self.listener: Listener | None = None
        # With several servers: the ones behind the balancer, which takes them in turn.
        self.pool: list[Listener] = []
        # The turns of the process that each of them belongs to.
        self.contexts: dict[Listener, Context] = {}
        self.opened = 0
        self._seed = seed
        self._ends: list[tuple[Listener, Transport]] = []

    async def connect(self, url: str, receiver: Receiver) -> Socket:
        """A WebSocket to the listener of the moment (the seam `bots.websocket.Connect`)."""
        listener = self.listener
        if self.pool:
            listener = self.pool[self.opened % len(self.pool)]
        if listener is None:
            raise Unreachable(f"{url}: nobody listens")
        loop = asyncio.get_running_loop()
        self.opened += 1
        context = self.contexts.get(listener) or copy_context()
        ours, theirs = (
            Transport(loop, Random(f"{self._seed} {self.opened} {side}"), whose)
            for side, whose in enumerate((copy_context(), context))
        )
        ours.peer, theirs.peer = theirs, ours
        self._ends.append((listener, ours))
        socket = WebSocket(parse_uri(url), receiver)
        ours.protocol = socket
        theirs.protocol = listener.protocol()
        loop.call_soon(theirs.protocol.connection_made, theirs, context=context)
        socket.connection_made(ours)
        await socket.opened
        return socket

    def unplug(self) -> None:
        """Every line breaks, and nobody listens any more."""
        self.listener = None
        ends, self._ends = self._ends, []
        for _, end in ends:
            end.abort()

    def cut(self, listener: Listener) -> None:
        """One server's lines break, and the balancer leads to it no more."""
        if listener in self.pool:
            self.pool.remove(listener)
        for owner, end in self._ends:
            if owner is listener:
                end.abort()
        self._ends = [(owner, end) for owner, end in self._ends if owner is not listener]
