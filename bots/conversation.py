"""A room's side of the conversation: takes in what the server says, posts what the player does.

It tells listeners what happened, in order; what they and samplers raise ends the session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from random import SystemRandom
from typing import TypeVar

from shared.errors import CloseCode
from shared.inputs import Input
from shared.messages import Close, Join, Status
from shared.session import ClientSession, ClientState, Outcome

from .actions import Actions
from .clock import Clock
from .connection import Connection
from .counts import Counts
from .ends import SessionEnded
from .foresight import Foresight
from .line import Transport
from .listeners import Listeners
from .results import ask_results
from .shapes import Shapes, Value
from .websocket import Connect

T = TypeVar("T")

Asked = Input | Mapping[str, Value]
ROW_EVENTS = ("added", "changed", "removed", "hidden")


class Conversation:
    """One session with its connection, and who is to hear of it. `sampler` is asked once a tick."""

    def __init__(
        self,
        url: str,
        seat: Join,
        *,
        connect: Connect,
        clock: Clock,
        rng: SystemRandom,
        transport: Transport,
    ) -> None:
        self.session = ClientSession(seat)
        self.connection = Connection(
            url, self.session, self, connect=connect, clock=clock, rng=rng, transport=transport
        )
        self.connection.roomed = self._roomed
        self.clock = clock
        self.foresight = Foresight(self.session, self.connection, clock, self._post)
        self.actions = Actions()
        self.listeners = Listeners(self.guarded)
        self.counts = Counts()
        self.sampler: Callable[[], Asked | None] | None = None
        self.shapes: Shapes | None = None
        # Set when the first frame is there, or the session has ended.
        self.ready = asyncio.Event()
        self._told_state, self._told_status = self.state, self.status
        self._trouble = ""
        # The last match of the room whose end is told, or need not be; None before the first view.
        self._ended: int | None = None
        self._asking: asyncio.Task[None] | None = None
        self.start()

    def start(self) -> None:
        """Begin, or go on after the end; `task` is why the session ended, once it has."""
        self._beat = asyncio.ensure_future(self.foresight.run())
        self.task = asyncio.ensure_future(self._run())

    @property
    def state(self) -> str:
        """Where the session stands, as `Room.state` says it."""
        if self.session.state is not ClientState.LIVE:
            return str(self.session.state)
        if self.connection.lost:
            return str(ClientState.RESUMING)
        if self.session.status is Status.PAUSED:
            return "paused"
        return "polling" if self.connection.polling else str(ClientState.LIVE)

    @property
    def why(self) -> str:
        """Why the state is what it is, in words; empty where all is well."""
        if self.state == "paused":
            return "the room stands still on the server"
        if self.session.closed is not None:
            return self.session.closed.reason
        return "" if self.state == ClientState.LIVE else self._trouble

    @property
    def speed(self) -> float:
        """The part of its tick rate at which the room runs: less than 1 in slow motion."""
        return self.session.speed

    @property
    def status(self) -> str:
        """What the server says of the room."""
        return self.session.status.name.lower()

    def take_back(self) -> None:
        """Resume a seat that somebody else took."""
        self.session.take_back()
        self.start()
        self._changed()

    def guarded(self, call: Callable[[], T]) -> T | None:
        """Call what the caller of `join` gave; what it raises ends this session, told as such."""
        try:
            return call()
        except Exception as error:
            room = self.session.welcome.room if self.session.welcome else "joining"
            logging.getLogger(__name__).exception("%s: a callback failed", room)
            reason = f"a callback failed: {type(error).__name__}: {error}"
            self.connection.leave(reason)
            return None

    def welcomed(self) -> None:
        """A WELCOME was taken in."""
        self._look()
        self._changed()

    def framed(self, outcome: Outcome) -> None:
        """Tell listeners what changed, settle actions, and answer with an item."""
        self.ready.set()
        self._look()
        welcome = self.session.welcome
        quiet_s = outcome.quiet / welcome.tick_rate if welcome is not None else 0.0
        self.counts.frame(self.session.stats.bytes, self.clock.now(), quiet_s)
        refused = self.actions.settle(self.session.ack, outcome.refusals)
        self.guarded(self.foresight.framed)
        for one in refused:
            self.listeners.emit(("refused", ""), one)
        if self.listeners and outcome.changes is not None:
            for what in ROW_EVENTS:
                for table, row in getattr(outcome.changes, what):
                    self.listeners.emit((what, table), row)
        self.listeners.emit(("frame", ""))
        self._results()
        self._changed()
        self.foresight.sample(self.clock.now())

    def troubled(self, code: int, reason: str) -> None:
        """Note a lost socket; the session's state says what follows."""
        room = self.session.welcome.room if self.session.welcome else "joining"
        logging.getLogger(__name__).info("%s: %d %s", room, code, reason)
        self._trouble = reason
        self.foresight.forget_stale()
        self._changed()

    def _roomed(self) -> None:
        """A ROOM was taken in."""
        self._look()
        self._changed()

    async def _run(self) -> Close:
        try:
            return await self.connection.run()
        finally:
            self._beat.cancel()
            if self._asking is not None:
                self._asking.cancel()
            self.ready.set()
            end = self.session.closed or Close(CloseCode.NORMAL, "left")
            self.actions.end(end)
            self._changed()
            self.listeners.emit(("closed", ""), SessionEnded(end))

    def _look(self) -> None:
        """Take in a schema that is another than before."""
        schema = self.session.schema
        if schema is None or (self.shapes is not None and self.shapes.schema is schema):
            return
        before = None if self.shapes is None else self.shapes.schema
        self.shapes = Shapes(schema)
        if before is None:
            self.foresight.begin(asks=False)
        else:
            old, new = (before.input, before.actions), (schema.input, schema.actions)
            self.foresight.begin(asks=old != new)
        self.listeners.emit(("schema", ""))

    def _changed(self) -> None:
        """Tell a state, and a room's status, that is another than the one told before."""
        status = self.status
        if status != self._told_status:
            self._told_status = status
            self.listeners.emit(("status", ""), status)
        state = self.state
        if state != self._told_state:
            self._told_state = state
            self.listeners.emit(("state", ""), state, self.why)

    def _results(self) -> None:
        """Tell the result of each match that ended since the last view, once.

        Also of one whose end and new beginning lay between two views.
        """
        view = self.session.view
        if view is None or view.room is None:
            return
        match, finished = view.room.match_number, view.room.finished > 0
        ended, told = match if finished else match - 1, self._ended
        self._ended = ended
        if told is not None and ended > told and self.listeners.has(("result", "")):
            self._asking = asyncio.ensure_future(self._tell(self._asking, told, ended, finished))

    async def _tell(
        self, before: asyncio.Task[None] | None, told: int, ended: int, finished: bool
    ) -> None:
        """Tell results after those that were asked for `before`; None for one nobody has."""
        if before is not None:
            await before
        assert self.session.welcome is not None
        results = await ask_results(self.connection.url, self.session.welcome.room)
        for match in range(told + 1, ended + 1):
            if match in results or (finished and match == ended):
                self.listeners.emit(("result", ""), results.get(match))

    def _post(self) -> bool:
        """Send an item if there is anything to say; whether there was, or anybody was asked."""
        made = self.guarded(self._input)
        actions = self.actions.next
        if made is None and not actions:
            return self.sampler is not None
        seq = self.session.post(made, actions, self.foresight.drawn)
        if seq <= self.session.last_seq:
            self.actions.posted(seq)
            if made is not None:
                self.guarded(partial(self.foresight.posted, seq, made))
        return True

    def _input(self) -> Input | None:
        asked = self.sampler() if self.sampler is not None else None
        return None if asked is None else self.shape.input(asked)

    def read(self, peek: Callable[[], Asked]) -> Input:
        """What controls say, as an input."""
        return self.shape.input(peek())

    @property
    def shape(self) -> Shapes:
        """The game's input and actions, known from WELCOME on."""
        assert self.shapes is not None, "there are shapes once `join` returned"
        return self.shapes


__all__ = ["ROW_EVENTS", "Asked", "Conversation"]
