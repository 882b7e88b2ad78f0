"""Messages out of a client's bytes and frames out of messages (RFC 6455 section 5), without I/O.

Whole, masked, unfragmented binary frames, which is what clients of this protocol send, are read
here. Every other frame goes byte for byte to a `ServerProtocol` of the websockets library, which
answers pings, checks rules and closes. It is made at the start of such a frame and let go of as
soon as it stands between two messages, so an idle connection carries none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from server.edge.limits import Budget, EdgeLimits
from shared.errors import CloseCode, RemoteError

try:
    from websockets.speedups import apply_mask
except ImportError:  # A platform without the library's compiled part.
    from websockets.utils import apply_mask

CLOSE_REASON_BYTES_MAX: Final = 123
"""A control frame's payload is at most 125 bytes, two of which are the code."""

PING: Final = b"\x89\x00"

HEADS_KEPT: Final = 1024
"""Frames of one room and tick have a few lengths, so most heads were made a moment ago."""

_FIN_BINARY: Final = 0x82
_MASKED: Final = 0x80
_CONTROL: Final = 0x08
_KNOWN_OPCODES: Final = frozenset((0x0, 0x1, 0x2, 0x8, 0x9, 0xA))


@lru_cache(HEADS_KEPT)
def frame_head(length: int) -> bytes:
    """The head of a server's frame: one whole binary message of `length` bytes, unmasked.

    RFC 6455 section 5.2. A frame for many is built once: `frame_head(len(p)) + p`.
    """
    if length < 126:
        return bytes((_FIN_BINARY, length))
    if length < 65536:
        return b"\x82\x7e" + length.to_bytes(2, "big")
    return b"\x82\x7f" + length.to_bytes(8, "big")


class Framing:
    """One connection's framing: bytes in, messages out by callback, answers to be written.

    `message`, to be set before the first `take`, gets each whole binary message; what it raises
    comes out of `take`; until it is set messages are dropped. `answers` holds
    what is to be written, in order; an empty item means: half-close after it. `over` says that no
    message will come any more, and `ending` with which code and reason. `ponged` is set whenever
    a pong arrives.
    """

    __slots__ = (
        "_bytes_max",
        "_controls",
        "_fragments",
        "_frames",
        "_held",
        "_log",
        "_machine",
        "_need",
        "_odd_left",
        "answers",
        "ending",
        "message",
        "over",
        "ponged",
    )

    def __init__(self, limits: EdgeLimits, clock: Callable[[], float], log: logging.Logger) -> None:
        self.message: Callable[[bytes], object] = len
        self.answers: list[bytes] = []
        self.over = False
        self.ending: tuple[int, str] | None = None
        self.ponged = False
        self._bytes_max = limits.message_bytes_max
        self._frames = Budget(limits.frames_per_s, limits.frames_burst, clock)
        self._controls = Budget(limits.control_frames_per_s, limits.control_frames_burst, clock)
        self._log = log
        self._machine: ServerProtocol | None = None
        self._fragments: bytearray | None = None
        self._held: bytearray | None = None
        self._need = 0
        self._odd_left = 0

    def take(self, data: bytes) -> None:
        """Read what arrived. Raises RemoteError for a text message and for a flood.

        A part of a frame is kept until the frame is whole, at most one message and its head.
        """
        held = self._held
        if held is not None:
            held += data
            if len(held) < self._need:
                return
            data = bytes(held)
            self._held = None
        at, size = 0, len(data)
        frames, message = self._frames, self.message
        while at < size:
            if size - at > 5 and data[at] == _FIN_BINARY and self._machine is None:
                # The second byte is the mask bit and, up to 125, the length itself.
                end = at + 6 + data[at + 1] - _MASKED
                if at + 6 <= end <= size and end - at < 132 and not self.over:
                    if not frames.spend():
                        raise _flood("frames")
                    payload = apply_mask(data[at + 6 : end], data[at + 2 : at + 6])
                    at = end
                    message(payload)
                    continue
            at = self._take_other(data, at, size)

    def close(self, code: int, reason: str) -> None:
        """Begin the close handshake; `answers` gets the close frame. Nothing when begun already.

        What still arrives is read, since the peer's own close frame is in it, but not delivered.
        """
        if self.over:
            return
        machine = self._machine or self._new_machine()
        machine.send_close(code, _short(reason))
        self._machine = machine
        self._end(code, reason)
        self.answers += machine.data_to_send()

    def fail(self, code: int, reason: str) -> None:
        """Close because of the peer: a close frame, unless one was sent, and a half-close.

        RFC 6455 section 7.1.7; nothing that arrives later is looked at.
        """
        machine = self._machine or self._new_machine()
        machine.fail(code, _short(reason))
        self._machine = machine
        self._end(code, reason)
        self.answers += machine.data_to_send()

    def stop(self) -> None:
        """Deliver nothing more, for a connection that is gone."""
        self.over = True
        self._held = self._machine = self._fragments = None
        # Whoever was told refers to this in turn.
        self.message = len

    def _end(self, code: int, reason: str) -> None:
        self.over = True
        if self.ending is None:
            self.ending = (int(code), reason)

    def _take_other(self, data: bytes, at: int, size: int) -> int:
        """Take one frame, or a part of it, that is not short, plain and whole; where to go on."""
        if self._odd_left:
            piece = data[at : at + self._odd_left]
            self._odd_left -= len(piece)
            self._feed(piece)
            return at + len(piece)
        left = size - at
        if left < 2:
            return self._hold(data, at, 2)
        first, second = data[at], data[at + 1]
        if not second & _MASKED or first & 0x0F not in _KNOWN_OPCODES:
            self._feed(data[at:])
            return size
        length, head = second & 0x7F, 6
        if length > 125:
            head = 8 if length == 126 else 14
            if left < head - 4:
                return self._hold(data, at, head - 4)
            length = int.from_bytes(data[at + 2 : at + head - 4], "big")
        if length > self._bytes_max:
            self._feed(data[at:])
            return size
        if left < head:
            return self._hold(data, at, head)
        end = at + head + length
        if first == _FIN_BINARY and self._machine is None:
            if end > size:
                return self._hold(data, at, head + length)
            self._count(first)
            if not self.over:
                self.message(apply_mask(data[at + head : end], data[at + head - 4 : at + head]))
            return end
        self._count(first)
        self._odd_left = max(0, end - size)
        self._feed(data[at:end])
        return min(end, size)

    def _hold(self, data: bytes, at: int, need: int) -> int:
        self._held = bytearray(data[at:])
        self._need = need
        return len(data)

    def _count(self, first: int) -> None:
        if not self._frames.spend():
            raise _flood("frames")
        if first & _CONTROL and not self._controls.spend():
            raise _flood("control frames")

    def _feed(self, piece: bytes) -> None:
        machine = self._machine
        if machine is None:
            machine = self._machine = self._new_machine()
        machine.receive_data(piece)
        self.answers += machine.data_to_send()
        for event in machine.events_received():
            assert isinstance(event, Frame), "a machine made open receives nothing but frames"
            self._event(event)
        if machine.state is not State.OPEN:
            close = machine.close_sent
            assert close is not None, "without its end of stream a machine closes by a close frame"
            self._end(close.code, close.reason)
        elif not self._odd_left and self._fragments is None:
            self._machine = None

    def _event(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT:
            if not self.over:
                raise RemoteError(
                    CloseCode.UNSUPPORTED_DATA, "binary only: messages are msgpack, not text"
                )
        elif opcode is Opcode.BINARY or opcode is Opcode.CONT:
            if self._fragments is None:
                self._fragments = bytearray()
            # Joined at once, so that a million empty fragments weigh nothing.
            self._fragments += frame.data
            if frame.fin:
                payload, self._fragments = bytes(self._fragments), None
                if not self.over:
                    self.message(payload)
        elif opcode is Opcode.PONG:
            self.ponged = True

    def _new_machine(self) -> ServerProtocol:
        return ServerProtocol(state=State.OPEN, max_size=self._bytes_max, logger=self._log)


def _flood(what: str) -> RemoteError:
    return RemoteError(CloseCode.POLICY_VIOLATION, f"too many {what} a second")


def _short(reason: str) -> str:
    """Cut to what a close frame holds, between two characters."""
    return reason.encode(errors="replace")[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
