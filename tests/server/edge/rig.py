"""What the edge's tests share: a listener on a free port, raw sockets, an in-memory transport."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import struct
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from server.edge.limits import EdgeLimits
from server.edge.listener import Listener
from server.edge.request import Handle, Request, Response
from server.edge.websocket import Peer, RequestHead
from shared.errors import CloseCode, RemoteError

KEY = base64.b64encode(b"0123456789abcdef").decode()


def upgrade(path: str = "/play", subprotocol: str = "holdfast.1", *extra: str) -> bytes:
    """A handshake request with further header lines."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost:8080",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
        *extra,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def frame(
    opcode: int, body: bytes, *, first: int = 0x80, mask: bytes | None = b"\1\2\3\4"
) -> bytes:
    """A client's frame; `first` are the bits beside the opcode, `mask` None sends it unmasked."""
    size, masked = len(body), 0x80 if mask is not None else 0
    if size < 126:
        head = bytes((first | opcode, masked | size))
    elif size < 65536:
        head = struct.pack("!BBH", first | opcode, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first | opcode, masked | 127, size)
    if mask is None:
        return head + body
    return head + mask + bytes(byte ^ mask[i & 3] for i, byte in enumerate(body))


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of each whole frame a server sent."""
    frames: list[tuple[int, bytes]] = []
    while len(data) >= 2:
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        frames.append((data[0] & 0x0F, data[at : at + size]))
        data = data[at + size :]
    return frames


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Echo:
    """A receiver that sends back what it gets, and fails when asked to."""

    def __init__(self, peer: Peer, head: RequestHead) -> None:
        self.peer = peer
        self.head = head
        self.messages: list[bytes] = []
        self.endings: list[tuple[int, str]] = []
        self.drained = 0

    def message(self, payload: bytes, /) -> None:
        assert not self.endings, "nothing is called after closed"
        self.messages.append(payload)
        if payload == b"theirs":
            raise RemoteError(CloseCode.BAD_MESSAGE, "no such message")
        if payload == b"ours":
            raise ZeroDivisionError("a secret")
        if payload == b"close":
            self.peer.close(CloseCode.NORMAL, "as asked")
        elif payload == b"abort":
            self.peer.abort()
        else:
            self.peer.send(payload)

    def closed(self, code: int, reason: str) -> None:
        self.endings.append((code, reason))

    def writable(self) -> None:
        self.drained += 1


async def describe(request: Request) -> Response:
    """A handler that says what it was asked."""
    if request.path == "/boom":
        raise ZeroDivisionError("a secret")
    if request.path == "/theirs":
        raise RemoteError(CloseCode.BAD_MESSAGE, "that is not how to ask")
    if request.path == "/big":
        return Response(200, bytes(1_000_000))
    if request.path == "/invalid":
        return Response(200, b"", headers=(("X", "a\r\nInjected: yes"),))
    text = f"{request.method} {request.path} {dict(request.query)} {request.body!r}"
    return Response(200, f"{text} {request.address} {request.host}".encode())


@dataclass
class Wire(asyncio.Transport):
    """An in-memory transport: what was written, and what was asked of it.

    With `reads` False the peer never reads: everything stays in the write buffer.
    """

    written: bytearray = field(default_factory=bytearray)
    writes: int = 0
    closing: bool = False
    aborted: bool = False
    half_closed: bool = False
    reading: bool = True
    reads: bool = True
    high: int = 65536
    protocol: asyncio.BaseProtocol | None = None

    def connect(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol
        protocol.connection_made(self)

    def feed(self, data: bytes) -> None:
        assert isinstance(self.protocol, asyncio.Protocol)
        self.protocol.data_received(data)

    def lose(self) -> None:
        assert self.protocol is not None
        self.protocol.connection_lost(None)

    def take(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self.written)
        self.written.clear()
        return data

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.half_closed, "written after the half-close"
        self.writes += 1
        before = self.get_write_buffer_size()
        self.written += data
        if before <= self.high < self.get_write_buffer_size() and self.protocol is not None:
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self.half_closed = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high or 65536

    def get_write_buffer_size(self) -> int:
        return 0 if self.reads else len(self.written)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.7", 4711) if name == "peername" else default


@dataclass
class Rig:
    """A listener, the receivers it made, and a port where it has one."""

    listener: Listener
    echoes: list[Echo]
    port: int = 0
    raws: list[Raw] = field(default_factory=list["Raw"])

    async def connect(self) -> Raw:
        raw = Raw(*await asyncio.open_connection("127.0.0.1", self.port))
        self.raws.append(raw)
        return raw

    async def open(self, *extra: str) -> Raw:
        """A WebSocket, its handshake done."""
        raw = await self.connect()
        raw.writer.write(upgrade("/play", "holdfast.1", *extra))
        answer = await raw.reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return raw

    async def ask(self, request: bytes) -> bytes:
        """Everything answered to some bytes, until the server hangs up."""
        raw = await self.connect()
        raw.writer.write(request)
        return await raw.rest()

    def wire(self) -> Wire:
        """A new connection in memory."""
        wire = Wire()
        wire.connect(self.listener.protocol())
        return wire

    def websocket(self) -> tuple[Wire, Echo]:
        """An open WebSocket in memory."""
        wire = self.wire()
        wire.feed(upgrade())
        assert wire.take().startswith(b"HTTP/1.1 101 ")
        return wire, self.echoes[-1]


@dataclass
class Raw:
    """A client's raw socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def rest(self) -> bytes:
        """All that comes until the server hangs up; then this side does, too."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read()
        finally:
            await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def make(
    limits: EdgeLimits | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    handle: Handle = describe,
    origins: list[str] | None = None,
    forwarded_position: int | None = None,
) -> Rig:
    """A listener without a socket."""
    echoes: list[Echo] = []

    def accept(peer: Peer, head: RequestHead) -> Echo:
        if "refuse" in head.query:
            raise RemoteError(CloseCode.UNAVAILABLE, "draining")
        if "break" in head.query:
            raise ZeroDivisionError("a secret")
        echo = Echo(peer, head)
        echoes.append(echo)
        return echo

    listener = Listener(
        accept=accept,
        handle=handle,
        limits=limits or EdgeLimits(),
        clock=clock,
        origins=origins,
        forwarded_position=forwarded_position,
        wall=lambda: 0.0,
        log=logging.getLogger("tests.edge"),
    )
    return Rig(listener, echoes)


@contextlib.asynccontextmanager
async def serving(rig: Rig) -> AsyncGenerator[Rig, None]:
    """The same with a socket on a free port of this machine."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(rig.listener.protocol, "127.0.0.1", 0)
    rig.port = server.sockets[0].getsockname()[1]
    rig.listener.start()
    try:
        yield rig
    finally:
        server.close()
        for raw in rig.raws:
            await raw.close()
        await rig.listener.close(0.2)
        await server.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere; a bounded wait, so that it can fail."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for announces nothing
            await asyncio.sleep(0.005)
