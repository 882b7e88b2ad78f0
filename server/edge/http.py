"""One socket that speaks HTTP/1.1 (RFC 9112): heads, bodies, one answer after the other.

Every socket begins here. A request with `Upgrade: websocket` leaves with its socket.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import Final, cast

import h11

from server.edge.owner import Owner
from server.edge.request import (
    BadRequest,
    Handle,
    Request,
    Response,
    head_fields,
    phrase,
    read_request,
    refusal,
)
from shared.errors import RemoteError

__all__ = ["Handle", "HttpConnection", "Request", "Response"]

NEVER: Final = math.inf

_HEAD_END = re.compile(rb"\n\r?\n")
_UPGRADE = re.compile(rb"\nupgrade[ \t]*:[^\r\n]*websocket", re.IGNORECASE)


class HttpConnection(asyncio.Protocol):
    """A socket from its accept to its end or upgrade.

    It reads one head (`_exchange` is None), then one body (`_exchange` is set), then waits for the
    handler (`_task` is set); what arrives meanwhile is the next request. After a refusal it throws
    away input until the peer has hung up. `due` is when `overdue` wants to be called.
    """

    __slots__ = (
        "_ahead",
        "_body",
        "_ending",
        "_event",
        "_exchange",
        "_fresh",
        "_lingered",
        "_owner",
        "_searched",
        "_stuffed",
        "_task",
        "_unread",
        "due",
        "hold",
        "socket_address",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self.socket_address = ""
        self.hold: str | None = None
        self.due = owner.now() + owner.limits.open_timeout_s
        self._owner = owner
        self._ahead = bytearray()
        self._searched = 0
        self._exchange: h11.Connection | None = None
        self._event: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._fresh = True
        self._ending = False
        self._stuffed = False
        self._lingered = 0
        self._unread = 0

    def refuse(self, answer: bytes) -> None:
        """Write a whole response and end; the peer gets `close_timeout_s` to read it."""
        self._exchange = None
        if not self.transport.is_closing():
            self.transport.write(answer)
            self._end()

    def overdue(self, now: float) -> None:
        """Do what `due` was set for: half a request is answered with 408, silence with silence."""
        limits = self._owner.limits
        if self._ending or self._stuffed:
            waiting = self.transport.get_write_buffer_size()
            if self._unread - waiting < limits.write_gate_bytes:
                self.transport.abort()
            else:
                # A long answer on a slow line, and it is being read.
                self._unread = waiting
                self.due = now + limits.close_timeout_s
            return
        self._owner.counters.timed_out += self._fresh
        if self._ahead or self._exchange is not None:
            self._refuse(408, "the request did not arrive in time")
        else:
            self.transport.close()

    def leave(self) -> None:
        """End because this process ends; an answer that is being made is still given."""
        if self._task is None and not self._ending:
            self._end()

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        peer = cast("tuple[str, int] | str | None", transport.get_extra_info("peername"))
        # Sockets of the local file system have no address.
        self.socket_address = peer[0] if isinstance(peer, tuple) else ""
        if not self._owner.entered(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        limits = self._owner.limits
        if self._ending:
            self._lingered += len(data)
            if self._lingered > limits.linger_bytes_max:
                self.transport.pause_reading()
        elif self._task is not None or self._stuffed:
            self._ahead += data
            if len(self._ahead) > limits.head_bytes_max:
                self.transport.pause_reading()
        elif self._exchange is not None:
            self._exchange.receive_data(data)
            self._read_body()
        else:
            self._ahead += data
            self._read_head()

    def pause_writing(self) -> None:
        self._stuffed = True

    def resume_writing(self) -> None:
        self._stuffed = False
        if self._task is None and not self._ending:
            self._next()

    def eof_received(self) -> None:
        """Nothing follows, so the transport closes; an answer not yet made is not wanted."""
        self._ending = True
        self.due = self._owner.now() + self._owner.limits.close_timeout_s

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        if self._task is not None:
            self._task.cancel()
        self._owner.gone(self)

    # Reading.

    def _read_head(self) -> None:
        """Look for the end of a request head, and decide whose request it is."""
        ahead, limits = self._ahead, self._owner.limits
        while ahead.startswith(b"\r\n"):
            del ahead[:2]
        if not ahead:
            return
        found = _HEAD_END.search(ahead, max(0, self._searched - 2))
        self._searched = len(ahead)
        if (found.end() if found else len(ahead)) > limits.head_bytes_max:
            self._refuse(431, f"the request head is longer than {limits.head_bytes_max} bytes")
        elif not 0x41 <= ahead[0] <= 0x5A and ahead[0] != 0x0D:
            self._refuse(400, "this is no HTTP request; the port speaks plain HTTP and WebSocket")
        elif found:
            self._begin(found.end())
        elif not self._fresh:
            # A request began on a connection that was idle.
            self._fresh = True
            self.due = self._owner.now() + limits.open_timeout_s

    def _begin(self, end: int) -> None:
        """Hand a whole head on."""
        limits = self._owner.limits
        head, rest = bytes(self._ahead[:end]), bytes(self._ahead[end:])
        self._ahead.clear()
        self._searched = 0
        self._fresh = False
        if _UPGRADE.search(head):
            self._owner.upgrade(self, head, rest)
            return
        self.due = self._owner.now() + limits.body_timeout_s
        self._body.clear()
        exchange = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes_max)
        self._exchange = exchange
        exchange.receive_data(head + rest)
        self._read_body()

    def _read_body(self) -> None:
        """Take what h11 makes of the bytes; with the request whole, ask the handler."""
        exchange = self._exchange
        assert exchange is not None
        try:
            while True:
                event = exchange.next_event()
                if isinstance(event, h11.Request):
                    self._event = event
                    self._check_length(exchange, event)
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    self._check_size(len(self._body))
                elif isinstance(event, h11.EndOfMessage):
                    self._ask()
                    return
                else:
                    return
        except h11.RemoteProtocolError as error:
            sentence = f"the request cannot be read: {ascii(str(error))[1:-1][:200]}"
            self._refuse(error.error_status_hint or 400, sentence)
        except BadRequest as error:
            self._refuse(error.status, error.sentence)

    def _check_length(self, exchange: h11.Connection, event: h11.Request) -> None:
        """Refuse a body by its announced length, and only then let a waiting peer send it."""
        for name, value in event.headers:
            if name == b"content-length":
                self._check_size(int(value))
        if exchange.they_are_waiting_for_100_continue:
            self.transport.write(
                exchange.send(h11.InformationalResponse(status_code=100, headers=[]))
            )

    def _check_size(self, size: int) -> None:
        limit = self._owner.limits.body_bytes_max
        if size > limit:
            raise BadRequest(413, f"the body is longer than {limit} bytes")

    # Answering.

    def _ask(self) -> None:
        owner, event = self._owner, self._event
        assert event is not None
        owner.counters.requests += 1
        request = read_request(
            event, bytes(self._body), self.socket_address, owner.forwarded_position
        )
        self._event = None
        self._body.clear()
        if not owner.admits(self, request.address):
            owner.counters.refused_address += 1
            raise BadRequest(429, "this address holds too many connections; close some first")
        self.due = NEVER
        self._task = owner.spawn(self._run(request))

    async def _run(self, request: Request) -> None:
        owner = self._owner
        try:
            response = await owner.handle(request)
        except RemoteError as error:
            response = Response(400, f"{error.reason}\n".encode())
        except Exception:
            owner.counters.handler_errors += 1
            owner.log.exception("request failed: %s %r", request.method, request.path[:200])
            response = Response(500, b"the server failed; it has written down why\n")
        finally:
            owner.answered(self)
        self._task = None
        if self._ending or self.transport.is_closing():
            return
        try:
            self._respond(response, request.method == "HEAD")
        except Exception:
            owner.counters.handler_errors += 1
            owner.log.exception("no response: %s %r", request.method, request.path[:200])
            self.refuse(refusal(500, "the server failed; it has written down why", owner.date()))

    def _respond(self, response: Response, without_body: bool) -> None:
        """Write the response in one piece and go on to the next request, if there may be one."""
        exchange, owner = self._exchange, self._owner
        assert exchange is not None
        fields = head_fields(response, owner.date(), owner.closing)
        head = h11.Response(
            status_code=response.status, headers=fields, reason=phrase(response.status).encode()
        )
        pieces = [exchange.send(head)]
        if response.body and not without_body and response.status not in {204, 304}:
            pieces.append(exchange.send(h11.Data(data=response.body)))
        pieces.append(exchange.send(h11.EndOfMessage()))
        self.due = owner.now() + owner.limits.http_idle_s
        # What came behind this request, before what came while it was being answered.
        self._ahead[:0] = exchange.trailing_data[0]
        again = exchange.our_state is h11.DONE and exchange.their_state is h11.DONE
        self._exchange = None
        self.transport.write(b"".join(pieces))
        self._unread = self.transport.get_write_buffer_size()
        if again:
            self._next()
        else:
            self._end()

    def _next(self) -> None:
        """Go on to the next request, once the answer to the last one is on its way."""
        if self._stuffed or self._exchange is not None:
            return
        self.transport.resume_reading()
        self._read_head()

    def _refuse(self, status: int, sentence: str) -> None:
        self._owner.counters.refused_request += 1
        self.refuse(refusal(status, sentence, self._owner.date()))

    def _end(self) -> None:
        """Half-close and wait for the peer to do the same.

        Closing a socket with unread input makes TCP reset it, and the peer might never read why.
        """
        self._ending = True
        self.due = self._owner.now() + self._owner.limits.close_timeout_s
        self._ahead.clear()
        self.transport.resume_reading()
        self.transport.write_eof()
