"""Keeps a session connected: opens sockets, resumes with backoff and jitter, renews in time.

What is said is `shared.session.ClientSession`'s; when and on which socket it is said is decided
here, as docs/SESSION.md lays down. Sockets, time and chance are arguments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol

from shared.errors import CloseCode
from shared.limits import REASON_CHARS_MAX
from shared.messages import Close, Frame, Time, TimeAnswer, Welcome, decode_from_server
from shared.session import ClientSession, ClientState, Outcome

from .clock import Clock
from .line import Line, Transport
from .polling import OpenPolls, open_polls
from .retry import RESUME_CODES, backoff_s
from .websocket import ABNORMAL, Connect

SILENCE_S = 5.0
# A room that stands still sends nothing; the answer to a TIME tells it from a lost socket.
ASK_S = 2.0
JOIN_GIVE_UP_S = 60.0
# A closing handshake takes a round trip; the socket itself gives up before this.
CLOSE_WAIT_S = 2.0
# How often silence is looked for.
LOOK_S = 1.0
# Spreads the clients of one server over a second, so that they do not return as one.
RENEW_JITTER_S = 1.0
# After so many sockets in a row on which no frame came, polls are tried.
DEAD_SOCKETS_MAX = 2
# How often a polling session tries a WebSocket again, give or take half.
CLIMB_S = 20.0


class Listener(Protocol):
    """Who hears what happens to a session; called from the event loop, in order."""

    def welcomed(self) -> None:
        """A WELCOME was taken in: the first, or after a RESUME."""

    def framed(self, outcome: Outcome, /) -> None:
        """A FRAME was applied to the view. What the listener posts now is sent at once."""

    def troubled(self, code: int, reason: str, /) -> None:
        """A socket was lost, refused or given up; the session goes on unless `closed` is set."""


class Connection:
    """Runs a session until it is gone.

    `_line` is spoken on and read. While the session is renewed, `_next` waits for its WELCOME;
    then it is spoken on, and `_old` is read until the first frame has come on its successor. A line
    may be made of polls; from such a one the session climbs back to a WebSocket as it is renewed.
    """

    def __init__(
        self,
        url: str,
        session: ClientSession,
        listener: Listener,
        *,
        connect: Connect,
        clock: Clock,
        rng: Random,
        transport: Transport = Transport.WEBSOCKET,
        polls: OpenPolls = open_polls,
    ) -> None:
        self.welcomes = 0
        self.renewals = 0
        self._transport = transport
        self._open_polls = polls
        self._dead_sockets = 0
        self.url = url
        # Called with each answer to a TIME, where somebody asks for the time.
        self.timed: Callable[[TimeAnswer], None] | None = None
        # Called with each ROOM, where somebody cares how the room stands.
        self.roomed: Callable[[], None] | None = None
        self._session = session
        self._listener = listener
        self._connect = connect
        self._clock = clock
        self._rng = rng
        self._line: Line | None = None
        self._old: Line | None = None
        self._next: Line | None = None
        self._lines: list[Line] = []
        self._renewal: asyncio.Task[None] | None = None
        # Set to wait no longer: the session ended, or somebody is in a hurry.
        self._awake = asyncio.Event()

    @property
    def lost(self) -> bool:
        """Whether no socket is spoken on."""
        return self._line is None or self._line.over.is_set()

    @property
    def gone(self) -> bool:
        """Whether the session has ended."""
        return self._session.state is ClientState.GONE

    @property
    def polling(self) -> bool:
        """Whether the session travels by polls now."""
        return self._line is not None and self._line.polls is not None

    async def run(self) -> Close:
        """Join, and stay connected until the session is gone; why it is."""
        session, clock = self._session, self._clock
        began_s, tries = clock.now(), 0
        try:
            while not self.gone:
                frames = session.stats.frames
                least_wait_s = await self._once()
                if session.welcome is None and clock.now() - began_s >= JOIN_GIVE_UP_S:
                    self.give_up(CloseCode.TIMED_OUT, f"no WELCOME within {JOIN_GIVE_UP_S:g} s")
                tries = 0 if session.stats.frames > frames else tries
                if not self.gone:
                    wait_s = max(least_wait_s, backoff_s(tries, self._rng))
                    self._awake.clear()
                    await clock.wait(self._awake, wait_s)
                tries += 1
        finally:
            self._stop()
            for line in self._lines:
                await clock.wait(line.closed, CLOSE_WAIT_S)
        return session.closed or Close(CloseCode.NORMAL, "left")

    def flush(self) -> None:
        """Send what the session has in its outbox."""
        outbox = self._session.outbox
        if outbox:
            if self._line is not None:
                for message in outbox:
                    self._line.send(message)
            outbox.clear()

    def leave(self, reason: str = "left") -> None:
        """Give the seat up, for a reason of this side's; `run` returns soon after."""
        if not self.gone:
            self._session.leave()
            self._session.closed = Close(CloseCode.NORMAL, reason[:REASON_CHARS_MAX])
            self.flush()
        self._stop()

    def hurry(self) -> None:
        """Wait no longer before the next try: the network is back."""
        self._awake.set()

    def drop(self) -> None:
        """Lose the socket, as a network would; the session resumes."""
        self._trouble(ABNORMAL, "dropped on purpose")

    def give_up(self, code: int, reason: str) -> None:
        """End the session without a LEAVE: the server will not have it any more."""
        if not self.gone:
            self._session.state = ClientState.GONE
            self._session.closed = Close(code, reason[:REASON_CHARS_MAX])
        self._stop()

    def hear(self, line: Line, payload: bytes) -> None:
        """A message came on one of the session's sockets."""
        session = self._session
        line.heard_s = self._clock.now()
        try:
            whole = line.assembly.take(payload)
        except ValueError as error:
            self._trouble(CloseCode.BAD_MESSAGE, str(error))
            return
        if whole is None:
            return
        payload = whole
        if (self._next or self._old) and not self._sort(line, payload):
            return
        welcome = session.welcome
        try:
            outcome = session.receive(payload)
        except ValueError as error:
            self._trouble(CloseCode.BAD_MESSAGE, str(error))
            return
        if outcome.framed:
            line.framed = True
            if self._old is not None and line is self._line:
                self._old.close()
                self._old = None
            self._listener.framed(outcome)
        elif session.welcome is not welcome:
            self.welcomes += 1
            self._listener.welcomed()
        elif outcome.closed is not None:
            line.least_wait_s = (outcome.closed.retry_after_ms or 0) / 1000
            self._trouble(outcome.closed.code, outcome.closed.reason)
        elif outcome.time is not None and self.timed is not None:
            self.timed(outcome.time)
        elif outcome.roomed and self.roomed is not None:
            self.roomed()
        elif outcome.renew_ms is not None and self._renewal is None:
            self._renewal = asyncio.ensure_future(self._renew(outcome.renew_ms / 1000))
        self.flush()

    def end(self, line: Line, code: int, reason: str) -> None:
        """One of the session's sockets closed without a CLOSE."""
        if line is not self._line or self._next is not None:
            return
        self._trouble(code, reason or "connection lost")
        if line.polls is not None and self._session.welcome is not None:
            # The HTTP side that refuses a poll of who has a seat may be a proxy's.
            return
        if code not in RESUME_CODES:
            self.give_up(code, reason or "the server closed the connection")

    def _trouble(self, code: int, reason: str) -> None:
        """The socket spoken on is of no more use; the session resumes unless it is gone."""
        line = self._line
        if line is not None and not line.over.is_set():
            line.close()
            self._listener.troubled(code, reason)

    def _sort(self, line: Line, payload: bytes) -> bool:
        """While two sockets are read: whether the session should take this message in."""
        try:
            message = decode_from_server(payload)
        except ValueError:
            return line is not self._next
        if line is self._next:
            if isinstance(message, Welcome):
                self._old, self._line, self._next = self._line, line, None
                if self._old is not None and self._old.polls is not None:
                    # A poll after this would name the new token, and take the seat from the socket.
                    self._old.close()
                    self._old = None
                self.renewals += 1
                line.settled.set()
                return True
            if isinstance(message, Close):
                # This instance will not have us, perhaps it leaves as well; the old one goes on.
                line.close()
            return False
        view = self._session.view
        if isinstance(message, Frame) and view is not None and message.tick <= view.tick:
            # The other one was quicker; also where each begins from nothing.
            return False
        if isinstance(message, Close) and (line is self._old or self._next):
            # The seat's successor is on its way or here: so the old connection says goodbye.
            line.close()
            return False
        return True

    async def _once(self) -> float:
        """One connection from opening to end; the least wait before the next, in seconds."""
        polls = self._transport is Transport.POLLING or self._dead_sockets >= DEAD_SOCKETS_MAX
        line = await self._open(polls=polls)
        if line is None:
            self._note_dead(polls)
            return 0.0
        if self.gone:
            line.close()
            return 0.0
        self._line = line
        line.send(self._session.hello())
        if polls and self._transport is Transport.AUTO:
            self._renewal = asyncio.ensure_future(self._climb())
        line = await self._serve(line)
        self._end_renewal()
        self._line = None
        self._session.lost()
        if not line.framed:
            self._note_dead(line.polls is not None)
        elif line.polls is None:
            self._dead_sockets = 0
        return line.least_wait_s

    async def _serve(self, line: Line) -> Line:
        """Wait for the end of the line in service, whichever that will be; that one."""
        while True:
            over = await self._clock.wait(line.over, LOOK_S)
            if self._line is not None and self._line is not line:
                line = self._line
            elif not over:
                quiet_s = self._clock.now() - line.heard_s
                if quiet_s > SILENCE_S:
                    self._trouble(CloseCode.TIMED_OUT, f"silent for {SILENCE_S:g} s")
                elif quiet_s > ASK_S and self._session.state is ClientState.LIVE:
                    line.send(Time(self._clock.now() * 1000).encode())
            elif self._next is None:
                return line
            else:
                await self._clock.wait(self._next.settled, SILENCE_S)
                if self._line is line:
                    return line

    def _note_dead(self, polls: bool) -> None:
        """A try brought no frame. Where polls fail as well, a WebSocket has the next turn."""
        if self._transport is Transport.AUTO:
            self._dead_sockets = DEAD_SOCKETS_MAX - 1 if polls else self._dead_sockets + 1

    async def _open(self, *, polls: bool) -> Line | None:
        line = Line(self, self._clock.now())
        try:
            if polls:
                line.polls = await self._open_polls(self.url, line, self._session.poll)
                line.socket = line.polls
            else:
                line.socket = await self._connect(self.url, line)
        except OSError as error:
            self._listener.troubled(ABNORMAL, str(error))
            return None
        line.heard_s = self._clock.now()
        self._lines = [line, *(other for other in self._lines if not other.closed.is_set())]
        return line

    async def _renew(self, deadline_s: float) -> None:
        """Open a second socket and resume on it before the first one's deadline."""
        clock = self._clock
        end_s, tries = clock.now() + deadline_s, 0
        await clock.sleep(self._rng.uniform(0, min(RENEW_JITTER_S, deadline_s / 10)))
        while clock.now() < end_s and not await self._succeed():
            await clock.sleep(backoff_s(tries, self._rng))
            tries += 1
        self._renewal = None

    async def _climb(self) -> None:
        """From time to time, try to go on by WebSocket instead of polls."""
        while True:
            await self._clock.sleep(CLIMB_S * self._rng.uniform(0.5, 1.5))
            if await self._succeed():
                break
        self._renewal = None

    async def _succeed(self) -> bool:
        """Open another socket beside the line in service; whether it took its place."""
        session = self._session
        line = self._next = await self._open(polls=False)
        if line is None:
            return False
        # The session stays live on the old line until the new one is welcomed.
        state = session.state
        line.send(session.hello())
        session.state = state
        await self._clock.wait(line.settled, SILENCE_S)
        if self._line is line:
            return True
        line.close()
        self._next = None
        return False

    def _end_renewal(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        for line in (self._next, self._old):
            if line is not None:
                line.close()
        self._renewal = self._next = self._old = None

    def _stop(self) -> None:
        self._awake.set()
        self._end_renewal()
        if self._line is not None:
            self._line.close()
