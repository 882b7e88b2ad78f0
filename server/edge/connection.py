"""One WebSocket's conversation: bytes in, a session's decisions, bytes out.

Every way a client can go wrong ends in one place, `message`, with a CLOSE that says what it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from server.core.lobby import clean_name
from server.core.room import SeatRequest
from server.core.seating import JoinRefusal, SeatSearch
from server.core.tokens import Seat
from server.edge.follower import RoomFollower
from server.edge.intake import take_inputs
from server.edge.limits import Budget
from server.edge.talker import STANDS_STILL
from server.edge.websocket import Peer
from shared import limits
from shared.errors import TRY_AGAIN, CloseCode, RemoteError
from shared.from_client import bad, decode_from_client
from shared.messages import (
    Close,
    InputMessage,
    Join,
    Leave,
    Renew,
    Resume,
    Role,
    Status,
    Time,
    TimeAnswer,
    ToServer,
)
from shared.parts import cut
from shared.session import ServerSession

if TYPE_CHECKING:
    from server.edge.edge import Edge


class State(Enum):
    """Where a connection stands; docs/SESSION.md has the table."""

    SILENT = "nothing said yet"
    SEATING = "waiting for the tick that seats it"
    LIVE = "frames go out"
    ENDED = "closed, or closing"


class Connection:
    """A `Receiver` for its WebSocket and a `Talker` for its room."""

    polling = False

    __slots__ = (
        "_digest",
        "_edge",
        "_follower",
        "_items",
        "_messages",
        "_parts",
        "_peer",
        "_proven",
        "_search",
        "_seat",
        "_session",
        "_state",
        "_timer",
        "renewing",
    )

    def __init__(self, edge: Edge, peer: Peer) -> None:
        self._edge = edge
        self._peer = peer
        self._state = State.SILENT
        self._follower: RoomFollower | None = None
        self._session: ServerSession | None = None
        self._seat: Seat | None = None
        self._search: SeatSearch | None = None
        self._proven = False
        # A long frame under way: its parts not written yet, and the DIGEST that follows them.
        self._parts: Iterator[bytes] | None = None
        self._digest: bytes | None = None
        self.renewing = False
        now = edge.clock.now
        self._messages = Budget(limits.MESSAGES_PER_S, limits.MESSAGES_BURST, now)
        self._items = Budget(limits.INPUT_ITEMS_PER_S, limits.INPUT_ITEMS_BURST, now)
        self._timer = edge.later(limits.HELLO_TIMEOUT_S, self._silent_too_long)

    def message(self, payload: bytes, /) -> None:
        """Take one message; what is wrong with it closes this connection, with the reason."""
        try:
            if not self._messages.spend():
                raise RemoteError(
                    CloseCode.TOO_FAST, f"more than {limits.MESSAGES_PER_S:g} messages a second"
                )
            if self._state is not State.ENDED:
                message = decode_from_client(payload)
                if self._state is State.LIVE and type(message) is InputMessage:
                    self._input(message)
                else:
                    self._take(message)
        except RemoteError as error:
            self.end(error.code, error.reason, error.retry_after_ms)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone; the seat, if any, is kept."""
        self._state = State.ENDED
        self._parts = None
        self._timer.cancel()
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.leave(self)
        # Its socket and timers may keep this connection until the collector looks; not the room.
        self._session = self._search = None
        self._edge.forget(self)

    def welcome(self, seat: Seat, session: ServerSession, issued: int) -> None:
        """The seat is taken, or resumed; `issued` (ms) is when the new token counts as issued."""
        if self._state is State.ENDED:
            return
        self._state = State.LIVE
        self._timer.cancel()
        self._seat = seat
        self._session = session
        assert self._follower is not None
        token = self._edge.token(seat, issued)
        self.send(self._edge.welcome(seat, self._follower.port, token))
        lifetime_s = self._edge.lifetime_s()
        if lifetime_s is not None:
            notice_s = min(limits.RENEW_NOTICE_S, lifetime_s / 2)
            self._timer = self._edge.later(lifetime_s, partial(self.renew, notice_s))

    def renew(self, deadline_s: float) -> None:
        """Ask for a second connection; this one is closed at the deadline, come what may."""
        if self._state is State.LIVE:
            self.renewing = True
            self._edge.metrics.count("renewals_total")
            self._timer.cancel()
            self._timer = self._edge.later(deadline_s, self._too_old)
            self.send(Renew(round(deadline_s * 1000)).encode())

    def refused(self, room: str, refusal: JoinRefusal) -> None:
        """The room gave no seat: look for another, or say so."""
        search = self._search
        if self._state is not State.SEATING or search is None:
            return
        if search.goes_on(room, refusal):
            # The next room has as long to answer as this one had.
            self._begin_seating()
            self._edge.spawn(self._join(search))
        else:
            self.end(refusal.close_code, refusal.reason)

    def send(self, payload: bytes) -> None:
        """Send one message."""
        self._peer.send(payload)

    def send_long(self, frame: Sequence[bytes], digest: bytes | None) -> None:
        """Send a FRAME in parts, as many at a time as the gate lets through."""
        assert self._parts is None, "no frame is due while a long one is under way"
        if self._state is not State.ENDED:
            self._parts = cut(frame)
            self._digest = digest
            self.writable()

    def writable(self) -> None:
        """The peer has read some of what waited: go on with the long frame under way."""
        while self._parts is not None and self._peer.buffered() <= limits.WRITE_GATE_BYTES:
            part = next(self._parts, None)
            if part is None:
                self._parts = None
                if self._digest is not None:
                    self.send(self._digest)
            else:
                self.send(part)
                if self._session is not None:
                    # Whoever reads parts is not gone, however long the whole takes.
                    self._session.trouble_since = None

    def buffered(self) -> int:
        """Bytes waiting to be sent; above the gate while a long frame is under way."""
        waiting = self._peer.buffered()
        return waiting if self._parts is None else max(waiting, limits.WRITE_GATE_BYTES + 1)

    def end(self, code: CloseCode, reason: str, retry_after_ms: int | None = None) -> None:
        """Say CLOSE and begin the closing handshake; saying it twice does nothing."""
        if self._state is State.ENDED:
            return
        self._state = State.ENDED
        if retry_after_ms is None and code in TRY_AGAIN:
            retry_after_ms = 0
        self._parts = None
        reason = reason[: limits.REASON_CHARS_MAX]
        self._peer.send(Close(code, reason, retry_after_ms).encode())
        self._peer.close(code, reason)

    def _take(self, message: ToServer) -> None:
        state = self._state
        if isinstance(message, Time) and state is State.LIVE:
            self._time(message)
        elif isinstance(message, Leave) and state is State.LIVE:
            self._leave()
        elif isinstance(message, Join) and state is State.SILENT:
            self._begin_seating()
            self._search = SeatSearch(message)
            self._edge.spawn(self._join(self._search))
        elif isinstance(message, Resume) and state is State.SILENT:
            self._begin_seating()
            self._edge.spawn(self._resume(message))
        elif state is State.SILENT:
            raise bad("the first message must be JOIN or RESUME")
        elif state is State.SEATING:
            raise bad("wait for WELCOME before the next message")
        else:
            raise bad("JOIN and RESUME are first messages; open another connection")

    def _begin_seating(self) -> None:
        self._state = State.SEATING
        self._timer.cancel()
        self._timer = self._edge.later(limits.SEAT_TIMEOUT_S, self._unanswered)

    def _input(self, message: InputMessage) -> None:
        follower, session = self._follower, self._session
        assert follower is not None
        assert session is not None
        take_inputs(follower.port, session, message, self._items, self._edge.metrics)
        if not self._proven and message.held > session.first_tick:
            self._proven = True
            follower.prove(self)

    def _time(self, message: Time) -> None:
        assert self._session is not None
        now_ms = self._edge.clock.now() * 1000
        self.send(TimeAnswer(message.client_ms, now_ms, self._session.base).encode())

    def _leave(self) -> None:
        assert self._follower is not None
        assert self._session is not None
        if self._session.player:
            self._follower.port.leave(self._session.player)
        self.end(CloseCode.NORMAL, "left")

    async def _join(self, search: SeatSearch) -> None:
        message, refused_by = search.join, self._follower
        if refused_by is not None:
            self._follower = None
            refused_by.leave(self)
        with self._answering():
            port = await self._edge.host.place(message, search)
            if self._state is State.SEATING:
                self._follower = self._edge.follow(port)
                if message.role is Role.SPECTATOR:
                    self._follower.arrive(self, Seat(port.id, 0, message.nonce), None)
                else:
                    name, identity = clean_name(message.name), message.identity or ""
                    self._follower.join(self, SeatRequest(message.nonce, name, identity))

    async def _resume(self, message: Resume) -> None:
        with self._answering():
            # Judged before anything is asked of the room: a forged token moves nothing.
            seat = self._edge.check(message.token)
            port = await self._edge.host.reach(seat.room)
            if port is None:
                raise RemoteError(CloseCode.ROOM_CLOSED, "the room is over")
            if self._state is State.SEATING:
                self._follower = self._edge.follow(port)
                self._follower.arrive(self, seat, message)

    @contextlib.contextmanager
    def _answering(self) -> Generator[None, None, None]:
        """Whatever goes wrong on the way to a room is said to the client."""
        try:
            yield
        except RemoteError as error:
            self.end(error.code, error.reason, error.retry_after_ms)
        except Exception:
            self.end(CloseCode.INTERNAL_ERROR, "the server failed; try again")
            raise

    def _unanswered(self) -> None:
        """No tick seated the player in time; the JOIN or RESUME that is repeated finds the seat."""
        follower = self._follower
        still = follower is not None and follower.port.status is Status.PAUSED
        reason = STANDS_STILL if still else "the server is busy"
        self.end(CloseCode.UNAVAILABLE, reason, 1000)

    def _too_old(self) -> None:
        self.end(CloseCode.GOING_AWAY, "this connection has reached its age; resume")

    def _silent_too_long(self) -> None:
        self.end(
            CloseCode.TIMED_OUT, f"no JOIN or RESUME came within {limits.HELLO_TIMEOUT_S:g} s", 1000
        )
