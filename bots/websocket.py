"""A client's WebSocket on asyncio: whole binary messages out of bytes, by callback.

Whole binary frames, which is what a server of this protocol sends, are read here; the handshake
and every other frame go byte for byte to the websockets library's `ClientProtocol`, which answers
pings, puts fragments together and closes. Measured with frames of 300 bytes in and answers of 16
bytes out, CPU a frame: the library's asyncio client 30 us, its `ClientProtocol` alone 17 us, this
9 us.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from shared.limits import PART_BYTES
from shared.messages import SUBPROTOCOL

try:
    from websockets.speedups import apply_mask
except ImportError:  # A platform without the library's compiled part.
    from websockets.utils import apply_mask

# The opening handshake ends within this, or the attempt has failed.
OPEN_TIMEOUT_S = 5.0
# A server that does not answer our close within this is not waited for.
CLOSE_TIMEOUT_S = 1.0
# A part of a frame, or a WELCOME with the longest schema.
MESSAGE_BYTES_MAX = 16 * PART_BYTES
# An answer to the handshake is a few lines; a stranger's page is not read to its end.
ANSWER_BYTES_MAX = 64 * 1024

# RFC 6455 section 7.4.1: the connection ended without a close frame.
ABNORMAL = 1006

_FIN_BINARY = 0x82


class Receiver(Protocol):
    """Who hears what a socket receives; both are called from the event loop."""

    def message(self, payload: bytes, /) -> None:
        """A whole binary message came."""
        ...

    def ended(self, code: int, reason: str, /) -> None:
        """The socket is closed; called once. 1006 says that no close frame came."""
        ...


class Socket(Protocol):
    """An open connection that takes whole messages."""

    def send(self, payload: bytes, /) -> None:
        """Send one binary message; nothing happens when the socket is closed."""
        ...

    def close(self, code: int = 1000, reason: str = "", /) -> None:
        """Begin the closing handshake; `Receiver.ended` follows."""
        ...


Connect = Callable[[str, Receiver], Awaitable[Socket]]
"""Opens a socket to a URL for a receiver. OSError when there is none to be had."""


class Unreachable(OSError):
    """No WebSocket could be opened; the text says what stood in the way."""


async def open_websocket(url: str, receiver: Receiver) -> Socket:
    """A WebSocket to `url` (ws or wss) for `receiver`; `Unreachable` says why there is none."""
    uri = parse_uri(url)
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context() if uri.secure else None
    made: list[WebSocket] = []

    def make() -> WebSocket:
        made.append(WebSocket(uri, receiver))
        return made[-1]

    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            _, socket = await loop.create_connection(make, uri.host, uri.port, ssl=context)
            await socket.opened
    except BaseException as error:
        # Also when whoever waited for it is cancelled: nobody else would close it.
        for socket in made:
            # Nobody waits for it any more.
            socket.opened.cancel()
            socket.abort()
        if isinstance(error, OSError):
            raise Unreachable(f"{url}: {_why(error)}") from None
        raise
    return socket


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_TIMEOUT_S:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return error.strerror or str(error)


class WebSocket(asyncio.Protocol):
    """One socket; `opened` is done when the handshake is, or holds why it failed."""

    def __init__(self, uri: WebSocketURI, receiver: Receiver) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._machine = ClientProtocol(
            uri, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=MESSAGE_BYTES_MAX
        )
        self._receiver: Receiver | None = receiver
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._parts: list[bytes] | None = None
        self._closing: asyncio.TimerHandle | None = None

    def send(self, payload: bytes) -> None:
        """Send one binary message; nothing happens when the socket is closed."""
        transport, size = self._transport, len(payload)
        if transport is None or self._machine.state is not State.OPEN:
            return
        mask = os.urandom(4)
        if size < 126:
            head = bytes((_FIN_BINARY, 0x80 | size))
        elif size < 65536:
            head = b"\x82\xfe" + size.to_bytes(2)
        else:
            head = b"\x82\xff" + size.to_bytes(8)
        transport.write(head + mask + apply_mask(payload, mask))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; the socket is aborted if it is not answered soon."""
        if self._machine.state is State.OPEN:
            self._machine.send_close(code, reason[:100])
            self._write()
        self._close_soon()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, only of their shape.
        self._transport = cast("asyncio.Transport", transport)
        self._machine.send_request(self._machine.connect())
        self._write()

    def data_received(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
        if self._machine.state is State.CONNECTING:
            data = self._answer(data)
        at, size = 0, len(data)
        while at < size:
            end, head = _frame_end(data, at)
            if end - at > MESSAGE_BYTES_MAX + 14:
                self._machine.fail(1009, "a frame is longer than the limit")
                self._write()
                self._close_soon()
                return
            if not end or end > size:
                self._held = data[at:]
                return
            if data[at] == _FIN_BINARY and self._parts is None and not data[at + 1] & 0x80:
                self._hear(data[at + head : end])
            else:
                self._odd(data[at:end])
            at = end

    def eof_received(self) -> None:
        self._machine.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._machine.receive_eof()
        if self._closing is not None:
            self._closing.cancel()
        if not self.opened.done():
            self.opened.set_exception(
                exc or Unreachable("the connection ended before the handshake did")
            )
            return
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            close = self._machine.close_rcvd
            receiver.ended(close.code if close else ABNORMAL, close.reason if close else "")

    def _hear(self, payload: bytes) -> None:
        if self._receiver is not None and self._machine.state is State.OPEN:
            self._receiver.message(payload)

    def _answer(self, data: bytes) -> bytes:
        """Read the handshake's answer; what came behind it."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(data) > ANSWER_BYTES_MAX:
                self._refuse("the answer to the handshake has no end")
            else:
                self._held = data
            return b""
        status = data[: data.find(b"\r\n")].decode("latin-1")
        if not status.startswith("HTTP/1.1 101 "):
            self._refuse(f"answered {status[:80]!r}, not a WebSocket")
            return b""
        self._machine.receive_data(data[:end])
        if self._machine.state is not State.OPEN:
            self._refuse(f"answered what is no WebSocket: {self._machine.handshake_exc}")
        elif self._machine.subprotocol != SUBPROTOCOL:
            self._refuse(f"a WebSocket that does not speak {SUBPROTOCOL}")
        elif not self.opened.done():
            self._machine.events_received()
            self.opened.set_result(None)
            return data[end:]
        return b""

    def _refuse(self, reason: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(Unreachable(reason))
        self.abort()

    def _odd(self, data: bytes) -> None:
        machine = self._machine
        machine.receive_data(data)
        for event in machine.events_received():
            if isinstance(event, Frame):
                self._assemble(event)
        self._write()
        if machine.close_expected():
            self._close_soon()

    def _assemble(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._parts = []
        if self._parts is None or frame.opcode not in (Opcode.BINARY, Opcode.CONT):
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            payload, self._parts = b"".join(self._parts), None
            self._hear(payload)

    def _write(self) -> None:
        for data in self._machine.data_to_send():
            if self._transport is not None and data:
                self._transport.write(data)

    def _close_soon(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self.abort)


def _frame_end(data: bytes, at: int) -> tuple[int, int]:
    """Where the frame at `at` ends (0: its head is not whole yet), and its head's length."""
    left = len(data) - at
    if left < 2:
        return 0, 0
    length, head = data[at + 1] & 0x7F, 2
    if length == 126:
        head = 4
        if left < 4:
            return 0, 0
        length = data[at + 2] << 8 | data[at + 3]
    elif length == 127:
        head = 10
        if left < 10:
            return 0, 0
        length = int.from_bytes(data[at + 2 : at + 10])
    if data[at + 1] & 0x80:
        head += 4
    return at + head + length, head
