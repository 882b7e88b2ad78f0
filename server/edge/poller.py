"""A session served by polls: a `Talker` that has a reader only while a poll waits.

Between polls its gate is closed, as a slow reader's is, and the next frame covers the gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from server.core.lobby import clean_name
from server.core.ports import RoomPort
from server.core.room import SeatRequest
from server.core.seating import JoinRefusal, SeatSearch
from server.core.tokens import Seat, issued_ms
from server.edge.follower import RoomFollower
from server.edge.intake import take_inputs
from server.edge.limits import Budget
from server.edge.talker import STANDS_STILL
from shared import limits
from shared.errors import TRY_AGAIN, CloseCode, RemoteError
from shared.from_client import bad
from shared.messages import (
    FRAME,
    ROOM,
    Close,
    InputMessage,
    Join,
    Leave,
    Resume,
    Role,
    RoomStatus,
    Status,
    Time,
    TimeAnswer,
    ToServer,
)
from shared.session import ServerSession

if TYPE_CHECKING:
    from server.edge.edge import Edge


class Poll:
    """One request that waits for its answer."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.ripe: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ripen(self) -> None:
        """Let it be answered with what it has."""
        if not self.ripe.done():
            self.ripe.set_result(None)


class Poller:
    """One polling session at this edge, from its first poll to `POLL_LINGER_S` after its last.

    `adopted` is told when the session has its seat, `gone` when it is over.
    """

    polling = True
    renewing = False

    def __init__(
        self,
        edge: Edge,
        hold: str,
        adopted: Callable[[Poller, Seat], None],
        gone: Callable[[Poller], None],
    ) -> None:
        self.hold = hold
        self.seat: Seat | None = None
        self.over = False
        self._edge = edge
        self._adopted = adopted
        self._gone = gone
        self._follower: RoomFollower | None = None
        self._session: ServerSession | None = None
        self._search: SeatSearch | None = None
        self._token = b""
        self._admitted = 0
        self._poll: Poll | None = None
        self._asked: Sequence[ToServer] = ()
        # The last ROOM, until a poll names a tick that was sent after it, and that tick.
        self._room: bytes | None = None
        self._room_tick: int | None = None
        self._room_told = False
        now = edge.clock.now
        self._polls = Budget(limits.MESSAGES_PER_S, limits.MESSAGES_BURST, now)
        self._items = Budget(limits.INPUT_ITEMS_PER_S, limits.INPUT_ITEMS_BURST, now)
        self._timer = edge.later(limits.POLL_LINGER_S, self._lapse)

    # The request's side.

    async def answer(
        self, hello: Join | Resume, asked: Sequence[ToServer], wait_s: float, welcome: bool
    ) -> list[bytes]:
        """Take a poll in, and wait for what there is to answer; a WELCOME too if asked for."""
        if self._poll is not None:
            self._poll.ripen()
        poll = self._poll = Poll()
        self._timer.cancel()
        self._timer = self._edge.later(wait_s, poll.ripen)
        try:
            self._guarded(lambda: self._take(hello, asked, welcome))
            await poll.ripe
        finally:
            if self._poll is poll:
                self._poll = None
                self._timer.cancel()
                if not self.over:
                    self._timer = self._edge.later(limits.POLL_LINGER_S, self._lapse)
        return poll.messages or self._standing()

    def _take(self, hello: Join | Resume, asked: Sequence[ToServer], welcome: bool) -> None:
        if not self._polls.spend():
            raise RemoteError(
                CloseCode.TOO_FAST, f"more than {limits.MESSAGES_PER_S:g} polls a second"
            )
        if isinstance(hello, Resume):
            self._token = hello.token
        if self._session is not None and isinstance(hello, Resume):
            assert self._follower is not None
            asked = _timely(asked, hello, self._follower.port)
            self._resume(self._session, hello, welcome)
            self._do(asked)
        else:
            # What is asked for waits for the seat.
            self._asked = asked
            if self._follower is None and self._search is None:
                self._search = SeatSearch(hello) if isinstance(hello, Join) else None
                self._edge.spawn(self._enter(hello))

    def _resume(self, session: ServerSession, message: Resume, welcome: bool) -> None:
        follower, poll = self._follower, self._poll
        assert follower is not None
        assert poll is not None
        port = follower.port
        moved = message.epoch != port.epoch
        if session.player and (moved or message.first_seq - 1 > session.posted):
            port.resume(session.player, 0, message.first_seq)
        tick = port.census.tick
        follower.claim(self, issued_ms(message.token))
        base = follower.base(message, tick)
        session.resume(base, message.held, message.first_seq, tick, moved)
        if message.held > self._admitted:
            follower.prove(self)
        if welcome or moved or not message.held:
            assert self.seat is not None
            self.send(self._edge.welcome(self.seat, port, self._token))
        if self._room is not None:
            if self._room_tick is not None and message.held >= self._room_tick:
                self._room = None
            else:
                poll.messages.append(self._room)
                if not self._room_told:
                    poll.ripen()
                self._room_told = True

    async def _enter(self, hello: Join | Resume) -> None:
        """Find the room and ask it for the seat."""
        refused_by, self._follower = self._follower, None
        if refused_by is not None:
            refused_by.leave(self)
        try:
            if isinstance(hello, Resume):
                seat = self._edge.check(hello.token)
                port = await self._edge.host.reach(seat.room)
                if port is None:
                    raise RemoteError(CloseCode.ROOM_CLOSED, "the room is over")
            else:
                port = await self._edge.host.place(hello, self._search)
                seat = Seat(port.id, 0, hello.nonce)
            if self.over:
                return
            self._follower = follower = self._edge.follow(port)
            if isinstance(hello, Resume):
                self._asked = _timely(self._asked, hello, port)
                follower.arrive(self, seat, hello)
            elif hello.role is Role.SPECTATOR:
                follower.arrive(self, seat, None)
            else:
                name, identity = clean_name(hello.name), hello.identity or ""
                follower.join(self, SeatRequest(hello.nonce, name, identity))
        except RemoteError as error:
            self.end(error.code, error.reason, error.retry_after_ms)
        except Exception:
            self.end(CloseCode.INTERNAL_ERROR, "the server failed; try again")
            raise

    def _do(self, asked: Sequence[ToServer]) -> None:
        """What came behind the RESUME."""
        follower, session = self._follower, self._session
        assert follower is not None
        assert session is not None
        for message in asked:
            if isinstance(message, InputMessage):
                take_inputs(follower.port, session, message, self._items, self._edge.metrics)
            elif isinstance(message, Time):
                now_ms = self._edge.clock.now() * 1000
                self.send(TimeAnswer(message.client_ms, now_ms, session.base).encode())
            elif isinstance(message, Leave):
                if session.player:
                    follower.port.leave(session.player)
                self.end(CloseCode.NORMAL, "left")
            else:
                raise bad("a poll has one JOIN or RESUME, and it comes first")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except RemoteError as error:
            self.end(error.code, error.reason, error.retry_after_ms)

    def _standing(self) -> list[bytes]:
        """What to say where nothing happened: how the room stands."""
        if self._follower is None or self.over:
            return []
        port = self._follower.port
        if self._session is None:
            # The JOIN or RESUME that is repeated finds the seat, which is asked for.
            close = Close(CloseCode.UNAVAILABLE, STANDS_STILL, 1000)
            return [close.encode()] if port.status is Status.PAUSED else []
        return [RoomStatus(port.epoch, port.census.tick, port.status, speed=port.speed).encode()]

    # The room's side.

    def welcome(self, seat: Seat, session: ServerSession, issued: int) -> None:
        """The seat is taken, or resumed at this edge; `issued` (ms) tells which token counts.

        A poll keeps the token it named, but where it joins or takes a seat back.
        """
        if self.over:
            return
        assert self._follower is not None
        self.seat, self._session = seat, session
        self._admitted = session.first_tick
        session.renews = session.resumed = False
        if not self._token or issued != issued_ms(self._token):
            self._token = self._edge.token(seat, issued)
        self._adopted(self, seat)
        self.send(self._edge.welcome(seat, self._follower.port, self._token))
        asked, self._asked = self._asked, ()
        self._guarded(lambda: self._do(asked))

    def refused(self, room: str, refusal: JoinRefusal) -> None:
        """The room gave no seat: look for another, or say so."""
        search = self._search
        if self.over or search is None:
            return
        if search.goes_on(room, refusal):
            self._edge.spawn(self._enter(search.join))
        else:
            self.end(refusal.close_code, refusal.reason)

    def send(self, payload: bytes) -> None:
        """Give the poll that waits a message; a ROOM is kept until it is known to have arrived."""
        # Every message to a client is a short array that begins with its type.
        kind, poll, session = payload[1], self._poll, self._session
        if kind == ROOM:
            self._room, self._room_tick, self._room_told = payload, None, poll is not None
        if poll is None:
            return
        poll.messages.append(payload)
        if kind == FRAME and self._room_tick is None and session is not None:
            self._room_tick = session.base
        if kind in (FRAME, ROOM):
            poll.ripen()

    def send_long(self, frame: Sequence[bytes], digest: bytes | None) -> None:
        """Give the poll that waits a FRAME whole: an answer may have any length."""
        self.send(b"".join(frame))
        if digest is not None:
            self.send(digest)

    def buffered(self) -> int:
        """Nothing while a poll waits for a frame, else more than any gate lets through."""
        open_ = self._poll is not None and not self._poll.ripe.done()
        return 0 if open_ else limits.WRITE_GATE_BYTES + 1

    def end(self, code: CloseCode, reason: str, retry_after_ms: int | None = None) -> None:
        """Answer the poll that waits with CLOSE, and be over; later polls begin anew.

        Who had the seat and lost it may be told so too early, if it was its own client that moved
        on. A poll that is told nothing comes back, unless it was; then it is known.
        """
        if self.over:
            return
        self.over = True
        if retry_after_ms is None and code in TRY_AGAIN:
            retry_after_ms = 0
        if self._poll is not None:
            if code is not CloseCode.REPLACED or self._session is None:
                reason = reason[: limits.REASON_CHARS_MAX]
                self._poll.messages.append(Close(code, reason, retry_after_ms).encode())
            self._poll.ripen()
        # Not from inside a call of the room's.
        self._edge.later(0, self._depart)

    def _lapse(self) -> None:
        if not self.over:
            self.over = True
            self._depart()

    def _depart(self) -> None:
        self._timer.cancel()
        if self._follower is not None:
            self._follower.leave(self)
        self._gone(self)


def _timely(asked: Sequence[ToServer], hello: Resume, port: RoomPort) -> list[ToServer]:
    """What came with a poll, without inputs where its client has not heard of the room's epoch.

    Since then the game's fields may have changed, and its inputs mean something else. The client
    repeats them once it was welcomed.
    """
    known = hello.epoch == port.epoch
    return [message for message in asked if known or not isinstance(message, InputMessage)]
