"""A bot: a session driven by a brain, which measures what it sees of the server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Protocol

from shared.errors import CloseCode
from shared.inputs import Action, Input
from shared.limits import QUIET_S
from shared.messages import Close, Join
from shared.session import ClientSession, ClientState, Outcome

from .brains import Brain
from .clock import Clock
from .connection import Connection
from .line import Transport
from .report import Tally
from .shapes import Shapes
from .wanderer import Wanderer
from .websocket import Connect

REASON_CHARS_MAX = 80


class Watcher(Protocol):
    """Somebody who looks over a bot's shoulder; told after the bot itself."""

    def framed(self, outcome: Outcome, /) -> None:
        """A frame was applied to the view."""
        ...

    def troubled(self, code: int, reason: str, /) -> None:
        """A socket was lost, refused or given up."""
        ...


class Bot:
    """One player without a screen. It samples its brain once a frame until it is told to stop.

    `arrived` is set once the session is seated or gone; `tally` holds what it measured.
    """

    def __init__(
        self,
        url: str,
        join: Join,
        brain: Brain,
        *,
        connect: Connect,
        clock: Clock,
        rng: Random,
        transport: Transport = Transport.WEBSOCKET,
    ) -> None:
        self.tally = Tally()
        self.session = ClientSession(join)
        self.connection = Connection(
            url, self.session, self, connect=connect, clock=clock, rng=rng, transport=transport
        )
        self.arrived = asyncio.Event()
        self.end: Close | None = None
        self.watcher: Watcher | None = None
        self._brain = brain
        self._clock = clock
        self._rng = rng
        self._shapes: Shapes | None = None
        self._sampling = True
        self._settled = asyncio.Event()
        self._sent: deque[tuple[int, float, bool]] = deque()
        self._room = ""
        self._welcomed_s = 0.0
        self._framed_s = 0.0
        self._rate = 1
        self._tick = 0
        self._resumed = False
        self._renewals = 0

    @property
    def seated(self) -> bool:
        """Whether the session has a seat in a room."""
        return self.session.welcome is not None and self.session.state is not ClientState.GONE

    @property
    def room(self) -> str:
        """The room's id, empty before WELCOME."""
        return self._room

    async def run(self) -> Close:
        """Play until the session is gone; why it is."""
        try:
            self.end = await self.connection.run()
        finally:
            self.arrived.set()
            self._settled.set()
            self._count()
        return self.end

    async def settle(self, timeout_s: float) -> bool:
        """Stop sampling, and wait until every input is acknowledged; whether that came to be."""
        self._sampling = False
        self._check_settled()
        return await self._clock.wait(self._settled, timeout_s) and not self.session.waiting

    def leave(self) -> None:
        """Give the seat up; `run` returns soon after."""
        self._count()
        self.connection.leave()

    def welcomed(self) -> None:
        """Note who we are; coming back as somebody else is what must never happen."""
        welcome, tally = self.session.welcome, self.tally
        schema = self.session.schema
        assert welcome is not None
        assert schema is not None
        self._rate = welcome.tick_rate
        if not tally.joined:
            tally.joined = True
            tally.player = welcome.player
            self._room = welcome.room
            self._welcomed_s = self._clock.now()
            self.arrived.set()
        else:
            self._resumed = True
            if (welcome.player, welcome.room) != (tally.player, self._room):
                tally.player_changed = 1
        tally.rooms.add(welcome.room)
        if self._shapes is None or self._shapes.schema is not schema:
            self._shapes = Shapes(schema)
            if isinstance(self._brain, Wanderer):
                self._brain.learn(self._shapes)

    def framed(self, outcome: Outcome) -> None:
        """Measure a frame, settle what it acknowledges, and answer it with an input."""
        now = self._clock.now()
        view, tally = self.session.view, self.tally
        assert view is not None
        if self._framed_s:
            # While nothing happens, frames are not due.
            gap_s = max(0.0, now - self._framed_s - outcome.quiet / self._rate)
            tally.gaps.add(gap_s)
            if self.connection.renewals > self._renewals:
                tally.renewal_gaps.add(gap_s)
            elif self._resumed:
                tally.resume_gaps.add(gap_s)
        self._renewals = self.connection.renewals
        self._resumed = False
        tally.polled = tally.polled or self.connection.polling
        self._framed_s = now
        if view.tick <= self._tick:
            tally.ticks_back += 1
        self._tick = view.tick
        self._settle_acked(now, outcome)
        if self._sampling:
            self._sample()
        else:
            self._check_settled()
        if self.watcher is not None:
            self.watcher.framed(outcome)

    def troubled(self, code: int, reason: str) -> None:
        """Count what ended a socket."""
        self.tally.errors[f"{code} {reason}"[:REASON_CHARS_MAX]] += 1
        if self.watcher is not None:
            self.watcher.troubled(code, reason)

    def _settle_acked(self, now: float, outcome: Outcome) -> None:
        sent, ack, tally = self._sent, self.session.ack, self.tally
        refused = {seq for seq, part, _ in outcome.refusals if part == 0}
        while sent and sent[0][0] <= ack:
            seq, sent_s, carried = sent.popleft()
            tally.acks.add(now - sent_s)
            if carried and seq not in refused:
                tally.expected += 1

    def _sample(self) -> None:
        view = self.session.view
        assert view is not None
        if not view.player:
            return
        try:
            sample, actions = _parted(self._brain.think(view, self._rng))
            if sample is None and not actions:
                return
            assert self._shapes is not None
            indexed = [self._shapes.action(action) for action in actions]
            seq = self.session.post(sample, indexed)
        except Exception as error:  # noqa: BLE001 - whatever a brain raises.
            # A brain is somebody's code under test: its bot ends, the others play on.
            reason = f"the brain failed: {type(error).__name__}: {error}"
            self.troubled(CloseCode.NORMAL, reason)
            self.connection.leave(reason)
            return
        if seq <= self.session.last_seq:
            self._sent.append((seq, self._clock.now(), sample is not None))
            self.tally.inputs_sent += sample is not None

    def _check_settled(self) -> None:
        if self.session.state is ClientState.LIVE and not self.session.waiting:
            self._settled.set()

    def _count(self) -> None:
        """Take the session's own counts into the tally."""
        stats, tally, now = self.session.stats, self.tally, self._clock.now()
        if tally.joined and not tally.seated_s:
            tally.seated_s = now - self._welcomed_s
            # A room that stopped for good was silent to the end; one may be quiet for a while.
            silent_s = now - (self._framed_s or self._welcomed_s) - QUIET_S - 1 / self._rate
            if silent_s > 0:
                tally.gaps.add(silent_s)
        tally.frames = stats.frames
        tally.bytes = stats.bytes
        tally.digests = stats.digests
        tally.divergence = stats.divergence
        tally.renewals = self.connection.renewals
        tally.resumes = max(0, self.connection.welcomes - 1 - tally.renewals)
        tally.inputs_skipped = stats.inputs_skipped
        tally.given_up = stats.inputs_given_up
        tally.unacked = sum(carried for _, _, carried in self._sent)


def _parted(
    thought: Input | tuple[Input | None, Sequence[Action]] | None,
) -> tuple[Input | None, Sequence[Action]]:
    return thought if isinstance(thought, tuple) else (thought, ())
