"""Lines between a socket and its protocol, in development: bytes are held back until they are due.

A `Wire` is the transport that a WebSocket gets instead of the socket's own, and the protocol that
the socket gets instead of the WebSocket.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from server.core.line import Knobs, Line

UP_BYTES_MAX: Final = 256 * 1024
"""Beyond this the socket is not read until some has arrived."""


SOME_DAY_S: Final = 1e300
"""Later than anything is due, but for what waits on a dark line."""


class Flow:
    """Bytes under way in one direction, handed on when the line says so, and at once if it may."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, line: Line, deliver: Callable[[bytes], None]
    ) -> None:
        self.waiting = 0
        self._loop = loop
        self._line = line
        self._deliver = deliver
        self._pieces: deque[tuple[float, bytes, Callable[[], None] | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, data: bytes) -> None:
        """Send bytes on their way."""
        now_s = self._loop.time()
        for due_s, piece in self._line.send(now_s, data):
            if due_s <= now_s and not self._pieces:
                self._deliver(piece)
            else:
                self.waiting += len(piece)
                self._pieces.append((due_s, piece, None))
        self._plan()

    def then(self, call: Callable[[], None]) -> None:
        """Call once everything before has arrived."""
        if self._pieces:
            self._pieces.append((self._pieces[-1][0], b"", call))
        else:
            call()

    def tune(self, knobs: Knobs) -> None:
        """Turn the knobs; what waits on a line that was dark arrives once it is not."""
        self._line.knobs = knobs
        stuck = [piece for piece in self._pieces if piece[0] == math.inf]
        if stuck and not knobs.dark:
            now_s = due_s = self._loop.time()
            for _ in stuck:
                self._pieces.pop()
            for _, data, call in stuck:
                if call is not None:
                    self._pieces.append((due_s, b"", call))
                    continue
                for due_s, piece in self._line.send(now_s, data):
                    self._pieces.append((due_s, piece, None))
        self._plan()

    def flush(self) -> None:
        """Hand on now what would have arrived some day."""
        self._run(SOME_DAY_S)

    def stop(self) -> None:
        """Hand on nothing more."""
        self._pieces.clear()
        self.waiting = 0
        self._plan()

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pieces and self._pieces[0][0] < math.inf:
            self._timer = self._loop.call_at(self._pieces[0][0], self._due)

    def _due(self) -> None:
        # A timer may fire a clock's tick early; what it was set for is due all the same.
        self._run(max(self._loop.time(), self._pieces[0][0]))

    def _run(self, now_s: float) -> None:
        while self._pieces and self._pieces[0][0] <= now_s:
            _, piece, call = self._pieces.popleft()
            self.waiting -= len(piece)
            if call is not None:
                call()
            else:
                self._deliver(piece)
        self._plan()


class _Ears(asyncio.Protocol):
    """What the socket calls."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def data_received(self, data: bytes) -> None:
        self._wire.heard(data)

    def eof_received(self) -> bool:
        return self._wire.heard_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lost(exc)

    def pause_writing(self) -> None:
        self._wire.press()

    def resume_writing(self) -> None:
        self._wire.press()


class Wire(asyncio.Transport):
    """Two flows on one socket. `gone` is called once, when the connection is no more."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        up: Line,
        down: Line,
        gate_bytes: int,
        gone: Callable[[Wire], None],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._transport = transport
        self._protocol = protocol
        self._up = Flow(loop, up, self._arrive)
        self._down = Flow(loop, down, self._leave)
        self._gate_bytes = gate_bytes
        self._gone = gone
        self._closing = False
        self._stuffed = False
        self._deaf = False
        self._cutter: asyncio.TimerHandle | None = None
        transport.set_protocol(_Ears(self))
        self._cut_after(min_of(up.knobs.cut_after_s, down.knobs.cut_after_s))

    def tune(self, up: Knobs, down: Knobs) -> None:
        """Turn the knobs of an open connection."""
        self._up.tune(up)
        self._down.tune(down)
        self._cut_after(min_of(up.cut_after_s, down.cut_after_s))

    # The socket's side.

    def heard(self, data: bytes) -> None:
        self._up.put(data)
        if self._up.waiting > UP_BYTES_MAX and not self._deaf:
            self._deaf = True
            self._transport.pause_reading()

    def heard_end(self) -> bool:
        self._up.then(self._end)
        return True

    def lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._down.stop()
        self._up.flush()
        self._up.stop()
        self._cut_after(0)
        self._gone(self)
        self._protocol.connection_lost(exc)

    def press(self) -> None:
        """Tell the WebSocket when its bytes begin to pile up, and when they no longer do."""
        waiting = self.get_write_buffer_size()
        if not self._stuffed and waiting > self._gate_bytes:
            self._stuffed = True
            self._protocol.pause_writing()
        elif self._stuffed and waiting <= self._gate_bytes // 4:
            self._stuffed = False
            self._protocol.resume_writing()

    # The WebSocket's side.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._down.put(bytes(data))
            self.press()

    def write_eof(self) -> None:
        self._down.then(self._transport.write_eof)

    def close(self) -> None:
        self._closing = True
        self._down.then(self._transport.close)

    def abort(self) -> None:
        self._closing = True
        self._down.stop()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._down.waiting + self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._deaf = True
        self._transport.pause_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    # Inside.

    def _arrive(self, data: bytes) -> None:
        self._protocol.data_received(data)
        if self._deaf and self._up.waiting <= UP_BYTES_MAX // 2 and not self._closing:
            self._deaf = False
            self._transport.resume_reading()

    def _leave(self, data: bytes) -> None:
        self._transport.write(data)
        self.press()

    def _end(self) -> None:
        if not self._protocol.eof_received():
            self.close()

    def _cut_after(self, seconds: float) -> None:
        if self._cutter is not None:
            self._cutter.cancel()
        self._cutter = self._loop.call_later(seconds, self.abort) if seconds else None


def min_of(*seconds: float) -> float:
    """The least that is set; 0 where none is."""
    return min((s for s in seconds if s), default=0.0)
