"""One open WebSocket: a socket below, a receiver above, keepalive and closing in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from server.edge.backlog import Queue
from server.edge.framing import PING, Framing, frame_head
from server.edge.handshake import RequestHead
from server.edge.owner import Owner
from shared.errors import CloseCode, RemoteError

__all__ = ["Accept", "Peer", "Receiver", "RequestHead", "WebSocket", "frame_head"]

LOST: Final = 1006
"""The code reported where no close frame came (RFC 6455 section 7.4.1); it is never sent."""

FAILED: Final = "connection of %r closed: its receiver failed"


class Peer(Protocol):
    """One open WebSocket as the session layer sees it.

    After `close` or `abort` everything written is dropped, and `Receiver.closed` follows in a
    later turn of the loop, never from inside a call.
    """

    @property
    def address(self) -> str:
        """The peer's address, as far as it can be believed."""
        ...

    def send(self, payload: bytes, /) -> None:
        """Send one binary message."""

    def write(self, frame: bytes, /) -> None:
        """Send a ready-made frame, `frame_head(len(payload)) + payload`."""

    def buffered(self) -> int:
        """How many bytes wait to be taken by the kernel."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Begin the close handshake; the socket goes after `close_timeout_s` at the latest."""

    def abort(self) -> None:
        """Drop the connection and what waits to be sent."""


class Receiver(Protocol):
    """What the session layer gives for one WebSocket."""

    def message(self, payload: bytes, /) -> None:
        """Take one whole binary message.

        RemoteError closes the connection with its code and reason; any other exception is logged
        and closes it with 1011. Other connections notice neither.
        """

    def closed(self, code: int, reason: str) -> None:
        """Learn, exactly once and as the last call, that nothing more comes or goes.

        1005 stands for a close without a code and 1006 for a loss without a close.
        """

    def writable(self) -> None:
        """Learn that the buffer, which was above the gate, has mostly been taken by the kernel."""


Accept = Callable[[Peer, RequestHead], Receiver]
"""Makes the receiver of a new WebSocket; what it raises closes the connection as in `message`."""


class WebSocket(asyncio.Protocol):
    """A `Peer` on a transport whose handshake is done.

    `due` is when `overdue` wants to be called: to ping, to miss a pong, or to give up on a close.
    """

    __slots__ = (
        "_framing",
        "_half_closed",
        "_lingered",
        "_open",
        "_owner",
        "_patience_s",
        "_pinged_at",
        "_receiver",
        "_stuffed",
        "_transport",
        "_waiting",
        "address",
        "due",
        "hold",
    )

    def __init__(
        self, owner: Owner, transport: asyncio.Transport, address: str, hold: str | None
    ) -> None:
        self.address = address
        self.hold = hold
        self.due = owner.now() + owner.limits.ping_interval_s
        self._owner = owner
        self._transport = transport
        self._receiver: Receiver | None = None
        self._framing = Framing(owner.limits, owner.now, owner.websockets_log)
        self._open = True
        self._half_closed = False
        self._stuffed = False
        self._waiting = False
        self._pinged_at = 0.0
        self._patience_s = 0.0
        self._lingered = 0

    def rewire(self, transport: asyncio.Transport) -> None:
        """Talk through another transport from now on; nothing was written yet."""
        self._transport = transport

    def begin(self, accept: Accept, head: RequestHead) -> None:
        """Ask for the receiver; messages may follow."""
        try:
            receiver = accept(self, head)
        except RemoteError as error:
            self._theirs(error)
        except Exception:
            self._owner.log.exception(FAILED, self.address)
            self._ours()
        else:
            self._receiver = receiver
            self._framing.message = receiver.message

    # The session layer's side.

    def send(self, payload: bytes, /) -> None:
        self.write(frame_head(len(payload)) + payload)

    def write(self, frame: bytes, /) -> None:
        if self._open:
            self._transport.write(frame)
            if self._stuffed and self.buffered() > self._owner.limits.write_buffer_bytes_max:
                self._owner.counters.aborted_full += 1
                self._drop("the peer does not read")

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    def socket_queue(self) -> Queue:
        """What waits to be read by this peer."""
        return Queue.of(self.buffered(), self._transport.get_extra_info("socket"))

    def close(self, code: int, reason: str) -> None:
        if self._open:
            self._framing.close(code, reason)
            self._answer()
            self._owner.soon(self._report)

    def abort(self) -> None:
        if self._open:
            self._drop("aborted here")
        else:
            self._transport.abort()

    # The listener's side.

    def overdue(self, now: float) -> None:
        """Do what `due` was set for."""
        limits, counters = self._owner.limits, self._owner.counters
        if not self._open:
            self._transport.abort()
            return
        if self._waiting:
            if not self._framing.ponged and self._patience_s > 0:
                # One ping at a time; a pong is looked for when the next would be due, and later.
                self.due, self._patience_s = now + self._patience_s, 0.0
                return
            if not self._framing.ponged:
                counters.pings_unanswered += 1
                self._drop(f"no pong within {limits.ping_timeout_s:g} s")
                return
            self._waiting = False
            self.due = self._pinged_at + limits.ping_interval_s
            if now < self.due:
                return
        self._framing.ponged = False
        self._waiting = True
        self._pinged_at = now
        first_s = min(limits.ping_interval_s, limits.ping_timeout_s)
        self.due, self._patience_s = now + first_s, limits.ping_timeout_s - first_s
        counters.pings += 1
        self._transport.write(PING)

    def leave(self) -> None:
        """Close because this process ends."""
        self.close(CloseCode.GOING_AWAY, "the process ends; resume")

    # The transport's side.

    def data_received(self, data: bytes) -> None:
        if self._half_closed:
            self._linger(len(data))
            return
        try:
            self._framing.take(data)
        except RemoteError as error:
            self._theirs(error)
        except Exception:
            self._owner.log.exception(FAILED, self.address)
            self._ours()
        if self._framing.answers:
            self._answer()
            self._report()

    def pause_writing(self) -> None:
        self._stuffed = True

    def resume_writing(self) -> None:
        self._stuffed = False
        if self._open and self._receiver is not None:
            self._receiver.writable()

    def eof_received(self) -> None:
        """Nothing follows, so the transport closes once it has written what waits."""
        self._lose("the peer hung up")
        self._owner.soon(self._report)
        self.due = self._owner.now() + self._owner.limits.close_timeout_s

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose("the connection was lost" if exc is None else type(exc).__name__)
        self._report()
        self._owner.gone(self)

    # Inside.

    def _theirs(self, error: RemoteError) -> None:
        """Close with the code and reason of their fault."""
        if error.code is CloseCode.POLICY_VIOLATION:
            self._owner.counters.closed_by_limit += 1
        self._fail(error.code, error.reason)

    def _ours(self) -> None:
        """Close without a word about what failed; that has been logged."""
        self._owner.counters.closed_by_error += 1
        self._fail(CloseCode.INTERNAL_ERROR, "the server failed; resume")

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._framing.fail(code, reason)
        self._answer()
        self._report()

    def _answer(self) -> None:
        """Write what the framing has to say; after a close frame nothing else is written."""
        answers, self._framing.answers = self._framing.answers, []
        if self._half_closed or self._transport.is_closing():
            return
        joined = b"".join(answers)
        if joined:
            self._transport.write(joined)
        if self._framing.ending is not None and self._open:
            self._open = False
            self.due = self._owner.now() + self._owner.limits.close_timeout_s
        if b"" in answers:
            # Half-closed, not closed: closing a socket with unread input makes TCP reset it, and
            # the peer might never read why.
            self._half_closed = True
            self._transport.write_eof()

    def _linger(self, size: int) -> None:
        """Throw away input until the peer hangs up; too much of it is left in the kernel."""
        self._lingered += size
        if self._lingered > self._owner.limits.linger_bytes_max:
            self._transport.pause_reading()

    def _drop(self, reason: str) -> None:
        self._lose(reason)
        self._transport.abort()
        self._owner.soon(self._report)

    def _lose(self, reason: str) -> None:
        self._open = False
        self._framing.stop()
        if self._framing.ending is None:
            self._framing.ending = (LOST, reason)

    def _report(self) -> None:
        """Tell the receiver of the end, once."""
        receiver, ending = self._receiver, self._framing.ending
        if receiver is None or ending is None:
            return
        self._receiver = None
        try:
            receiver.closed(*ending)
        except Exception:
            self._owner.log.exception("receiver of %r failed to close", self.address)
