"""A raw client of the protocol, for behaving as no client of ours would.

It says whatever bytes it is told to, on the websockets library and msgpack alone, and keeps what
it hears. Frames of WebSockets can be written by hand where the library would not write them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.end_to_end.server import PATIENCE_S, Server

JOIN, RESUME, INPUT, TIME, LEAVE = 1, 2, 3, 4, 5
WELCOME, FRAME, RENEW, TIME_ANSWER, ROOM, DIGEST, CLOSE = 16, 17, 18, 19, 20, 21, 22

CONTINUED, BINARY, PING = 0x0, 0x2, 0x9


@dataclass
class Seat:
    """What a WELCOME said."""

    token: bytes
    room: str
    epoch: int
    player: int
    tick_rate: int


@dataclass
class Ending:
    """How a connection ended: the close frame, and the CLOSE before it where there was one."""

    code: int
    reason: str
    close: list[Any] | None


class Client:
    """One connection. `heard` holds the messages that came and were not asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.tick = 0

    async def send(self, *items: Any) -> None:
        """One message of these items."""
        await self.socket.send(pack(*items))

    async def say(self, payload: bytes | str) -> None:
        """One WebSocket message of exactly this."""
        await self.socket.send(payload)

    def write(self, data: bytes) -> None:
        """Put bytes on the wire behind the library's back."""
        self.socket.transport.write(data)

    async def hear(self, *types: int) -> list[Any]:
        """The next message of one of these types; frames on the way are counted and dropped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = msgpack.unpackb(await self.socket.recv(decode=False))
                if message[0] == FRAME:
                    self.tick = message[1]
                if message[0] in types:
                    return list(message)

    async def join(
        self, game: str = "yard", *, role: int = 0, name: str = "raw", **options: Any
    ) -> Seat:
        """Take a seat, and hear the first frame."""
        await self.send(JOIN, os.urandom(16), game, options, name, role, None, "test")
        return await self.welcomed()

    async def resume(self, seat: Seat, held: int = 0, first_seq: int = 1) -> Seat:
        """Take up a seat, and hear the first frame."""
        await self.send(RESUME, seat.token, seat.epoch, held, first_seq)
        return await self.welcomed()

    async def welcomed(self) -> Seat:
        """Hear WELCOME and the first frame."""
        _, token, room, epoch, player, rate, *_ = await self.hear(WELCOME)
        await self.hear(FRAME)
        return Seat(token, room, epoch, player, rate)

    async def ended(self, patience_s: float = PATIENCE_S) -> Ending:
        """Hear everything to the end; how it ended."""
        close: list[Any] | None = None
        async with asyncio.timeout(patience_s):
            try:
                while True:
                    message = msgpack.unpackb(await self.socket.recv(decode=False))
                    if message[0] == FRAME:
                        self.tick = message[1]
                    elif message[0] == CLOSE:
                        close = message
            except ConnectionClosed as end:
                return Ending(
                    end.rcvd.code if end.rcvd else 1006, end.rcvd.reason if end.rcvd else "", close
                )


@asynccontextmanager
async def connected(
    server: Server | str,
    *,
    origin: str | None = None,
    subprotocol: str = "holdfast.1",
    path: str = "/play",
    **more: Any,
) -> AsyncGenerator[Client, None]:
    """Open a connection to a server or its URL; it is dropped without a word at the end."""
    socket = await connect(
        (server if isinstance(server, str) else server.url) + path,
        origin=None if origin is None else Origin(origin),
        subprotocols=[Subprotocol(subprotocol)],
        compression=None,
        ping_interval=None,
        close_timeout=1,
        max_size=None,
        proxy=None,
        **more,
    )
    try:
        yield Client(socket)
    finally:
        socket.transport.abort()
        await socket.wait_closed()


def pack(*items: Any) -> bytes:
    """A message's bytes."""
    return msgpack.packb(list(items))


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A WebSocket frame from a client (RFC 6455 section 5.2); its mask of zeros changes nothing."""
    size = len(payload)
    head = bytes([opcode | 0x80 * fin])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2)
    else:
        head += b"\xff" + size.to_bytes(8)
    return head + bytes(4) + payload


def ticks_told(after: int, frame: list[Any]) -> list[int]:
    """The ticks after one that a FRAME tells of: its own, and the quiet ones before it."""
    quiet_until = frame[8] if frame[8:] else 0
    return [*range(after + 1, quiet_until + 1), frame[1]]
