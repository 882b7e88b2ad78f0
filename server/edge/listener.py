"""The sockets of one process: who may connect, what becomes of whom, and the one timer for all."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Collection, Coroutine
from email.utils import formatdate
from typing import Final

from server.edge.address import Crowd, check_position, crowd_key
from server.edge.backlog import Backlog
from server.edge.handshake import Handshake, Verdict
from server.edge.http import HttpConnection
from server.edge.limits import EdgeCounters, EdgeLimits
from server.edge.network import Network
from server.edge.request import Handle, refusal
from server.edge.websocket import Accept, WebSocket

SWEEP_S: Final = 0.25
"""Time between two sweeps: deadlines of seconds are met within it."""

LATE_S: Final = 1.0
"""A sweep later than this says that this process stood still, not its peers."""

FULL_RETRY_S: Final = 5
"""What a client refused for lack of room is told to wait."""


class Listener:
    """Accepts sockets and owns them until they close.

    Give `protocol` to `loop.create_server`, call `start` in the loop, and at the end close the
    server, then the listener. `accept` and `handle` are the session layer's. `clock` is monotonic,
    `wall` the time of day (for Date headers), both in seconds. `origins` and `forwarded_position`
    are as in `Handshake`; `network`, in development, holds bytes back. Raises ConfigError for an
    origin or a position that makes no sense.
    """

    def __init__(
        self,
        *,
        accept: Accept,
        handle: Handle,
        limits: EdgeLimits,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop | None = None,
        origins: Collection[str] | None = None,
        forwarded_position: int | None = None,
        wall: Callable[[], float] = time.time,
        log: logging.Logger | None = None,
        network: Network | None = None,
    ) -> None:
        check_position(forwarded_position)
        self.limits = limits
        self.counters = EdgeCounters()
        self.log = log or logging.getLogger(__name__)
        # The library logs what peers sent as it came, so it speaks up for its own failures only.
        self.websockets_log = self.log.getChild("websockets")
        self.websockets_log.setLevel(logging.ERROR)
        self.handle = handle
        self.now = clock
        self.forwarded_position = forwarded_position
        self.closing = False
        self._accept = accept
        self._wall = wall
        self._loop = loop
        self._network = network
        self._handshake = Handshake(
            origins=origins, forwarded_position=forwarded_position, log=self.websockets_log
        )
        self._crowd = Crowd()
        self._draining = False
        self._https: set[HttpConnection] = set()
        self._websockets: set[WebSocket] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None

    def protocol(self) -> asyncio.Protocol:
        """A new socket's protocol: the factory for `loop.create_server`."""
        return HttpConnection(self)

    def start(self) -> None:
        """Start the timer; call it in the loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._plan(self.now() + SWEEP_S)

    def stop(self) -> None:
        """Stop the timer. Deadlines are no longer kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drain(self) -> None:
        """Refuse new WebSockets from now on; those there are, and HTTP, go on."""
        self._draining = True

    def sweep(self, late_s: float = 0.0) -> None:
        """Let every connection whose time has come ping, time out or be dropped.

        With `late_s` above LATE_S nobody is judged yet: all deadlines move by it, since what peers
        sent in time may still be waiting to be read.
        """
        connections: list[HttpConnection | WebSocket] = [*self._https, *self._websockets]
        if late_s > LATE_S:
            for connection in connections:
                connection.due += late_s
            return
        now = self.now()
        for connection in connections:
            if now >= connection.due:
                try:
                    connection.overdue(now)
                except Exception:
                    self.log.exception("a connection failed in the sweep; the others go on")

    async def close(self, deadline_s: float) -> None:
        """Say 1001 to every WebSocket, let answers in the making be given, and wait for the end.

        What is still open after `deadline_s` is aborted; the caller has stopped accepting.
        """
        self.closing = True
        self._empty = asyncio.Event()
        connections: list[HttpConnection | WebSocket] = [*self._https, *self._websockets]
        for connection in connections:
            connection.leave()
        self._check_empty()
        try:
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        except TimeoutError:
            for http in self._https:
                http.transport.abort()
            for websocket in self._websockets:
                websocket.abort()
            await self._empty.wait()
        self.stop()

    def backlog(self) -> Backlog:
        """What waits to be read by peers, in this process and in its kernel, as of now."""
        return Backlog.of([websocket.socket_queue() for websocket in self._websockets])

    # What connections ask of their listener.

    def date(self) -> str:
        return formatdate(self._wall(), usegmt=True)

    def soon(self, call: Callable[[], None], /) -> None:
        self._running().call_soon(call)

    def spawn(self, work: Coroutine[object, object, None], /) -> asyncio.Task[None]:
        return self._running().create_task(work)

    def entered(self, connection: HttpConnection, /) -> bool:
        counters, limits = self.counters, self.limits
        counters.accepted += 1
        self._https.add(connection)
        counters.http_now = len(self._https)
        self._tune(connection.transport)
        if self.closing or len(self._https) > limits.http_connections_max:
            counters.refused_full += 1
            return False
        if self.forwarded_position is None:
            connection.hold = crowd_key(connection.socket_address)
            # Up to twice the limit there is an answer; beyond it, not even that.
            if self._crowd.enter(connection.hold) > 2 * limits.connections_per_address_max:
                counters.refused_address += 1
                return False
        return True

    def admits(self, connection: HttpConnection, address: str, /) -> bool:
        if self.forwarded_position is None:
            assert connection.hold is not None, "counted when it was accepted"
            return self._crowd.held(connection.hold) <= self.limits.connections_per_address_max
        key = crowd_key(address)
        if self._crowd.held(key) >= self.limits.connections_per_address_max:
            return False
        self._crowd.enter(key)
        connection.hold = key
        return True

    def answered(self, connection: HttpConnection, /) -> None:
        # Behind a proxy one socket carries the requests of many, so each counts while it lasts.
        if self.forwarded_position is not None:
            self._release(connection)

    def upgrade(self, connection: HttpConnection, head: bytes, rest: bytes, /) -> None:
        verdict = self._handshake.judge(head, connection.socket_address)
        request = verdict.request
        if request is None:
            self._count_refusal(verdict)
            connection.refuse(verdict.answer)
            return
        full = len(self._websockets) >= self.limits.connections_max
        if full or self._draining or self.closing:
            self.counters.refused_full += 1
            sentence = "this process takes no more players; try again, maybe on another"
            retry = ("Retry-After", str(FULL_RETRY_S))
            connection.refuse(refusal(503, sentence, self.date(), retry))
            return
        if not self.admits(connection, request.address):
            self.counters.refused_address += 1
            sentence = "this address holds too many connections; close some first"
            connection.refuse(refusal(429, sentence, self.date()))
            return
        transport = connection.transport
        websocket = WebSocket(self, transport, request.address, connection.hold)
        connection.hold = None
        self._https.discard(connection)
        self._websockets.add(websocket)
        self.counters.opened += 1
        self._gauge()
        if self._network is None:
            transport.set_protocol(websocket)
        else:
            gate = self.limits.write_gate_bytes
            transport = self._network.between(transport, websocket, request.query, gate)
            websocket.rewire(transport)
        transport.write(verdict.answer)
        websocket.begin(self._accept, request)
        if rest:
            websocket.data_received(rest)

    def gone(self, connection: HttpConnection | WebSocket, /) -> None:
        self._release(connection)
        if isinstance(connection, WebSocket):
            self._websockets.discard(connection)
            self.counters.closed += 1
        else:
            self._https.discard(connection)
        self._gauge()
        self._check_empty()

    # Inside.

    def _running(self) -> asyncio.AbstractEventLoop:
        return self._loop or asyncio.get_running_loop()

    def _plan(self, due: float) -> None:
        self._timer = self._running().call_later(max(0.0, due - self.now()), self._swept, due)

    def _swept(self, due: float) -> None:
        now = self.now()
        self._plan(max(due, now - SWEEP_S) + SWEEP_S)
        self.sweep(now - due)

    def _tune(self, transport: asyncio.Transport) -> None:
        """Bound what waits in this process and in the kernel; send small frames at once."""
        transport.set_write_buffer_limits(high=self.limits.write_gate_bytes)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.send_buffer_bytes)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _count_refusal(self, verdict: Verdict) -> None:
        counters = self.counters
        if verdict.status == 403:
            counters.refused_origin += 1
        elif verdict.status == 404:
            counters.refused_path += 1
        else:
            counters.refused_handshake += 1

    def _release(self, connection: HttpConnection | WebSocket) -> None:
        if connection.hold is not None:
            self._crowd.leave(connection.hold)
            connection.hold = None

    def _gauge(self) -> None:
        self.counters.open_now = len(self._websockets)
        self.counters.http_now = len(self._https)

    def _check_empty(self) -> None:
        if self._empty is not None and not self._https and not self._websockets:
            self._empty.set()
