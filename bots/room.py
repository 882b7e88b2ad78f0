"""A room as one of its players sees it, in Python: the newest rows, and what the player does."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from random import SystemRandom
from typing import Any, Literal, TypeVar, overload

from shared.entities import Entity
from shared.errors import CloseCode
from shared.inputs import Action, Input
from shared.limits import ACTIONS_PER_ITEM_MAX
from shared.messages import Close, Join, Status
from shared.schema import Schema
from shared.session import ClientSession, ClientState, ClientStats, Outcome
from shared.view import View

from .clock import Clock
from .connection import Connection
from .ends import Answer, Gone
from .foresight import Foresight
from .line import Transport
from .prediction import SMOOTH_S, Prediction, Rule
from .results import ask_result
from .shapes import Shapes, Value
from .timeline import ServerClock
from .websocket import Connect

T = TypeVar("T")

Sample = Input | Mapping[str, Value] | None
Unheard = Callable[[], None]
Change = Literal["added", "changed", "removed", "hidden"]
CHANGES = ("added", "changed", "removed", "hidden")


class Room:
    """A room as one of its players sees it. Everything runs on the event loop that joined."""

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
        self._session = ClientSession(seat)
        self._connection = Connection(
            url, self._session, self, connect=connect, clock=clock, rng=rng, transport=transport
        )
        self._foresight = Foresight(self._session, self._connection, clock, self._post)
        self._sample: Callable[[], Sample] | None = None
        self._asked: deque[tuple[tuple[int, Action], asyncio.Future[Answer]]] = deque()
        self._acting: dict[int, list[asyncio.Future[Answer]]] = {}
        self._handlers: dict[tuple[str, str], list[Callable[..., None]]] = {}
        self._told_state = str(self._session.state)
        self._trouble = ""
        self._finished: int | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._shapes: Shapes | None = None
        self._beat = asyncio.ensure_future(self._foresight.run())
        self._task = asyncio.ensure_future(self._run())

    @property
    def id(self) -> str:
        """The room's id, to be given to `join(room=...)` elsewhere."""
        return self._session.welcome.room if self._session.welcome else ""

    @property
    def player(self) -> int:
        """The id of this player's row, 0 for a spectator."""
        return self._session.player

    @property
    def state(self) -> str:
        """Where the session stands (docs/SESSION.md); "paused" while the room stands still.

        "polling" is "live" by long polls, where no WebSocket gets through.
        """
        if self._session.state is not ClientState.LIVE:
            return str(self._session.state)
        if self._connection.lost:
            return str(ClientState.RESUMING)
        if self._session.status is Status.PAUSED:
            return "paused"
        return "polling" if self._connection.polling else str(ClientState.LIVE)

    @property
    def polling(self) -> bool:
        """Whether the session travels by long polls now, as no WebSocket gets through."""
        return self._connection.polling

    @property
    def why(self) -> str:
        """Why the state is what it is, in words; empty where all is well."""
        if self.state == "paused":
            return "the server's store does not answer"
        if self._session.closed is not None:
            return self._session.closed.reason
        return "" if self.state == ClientState.LIVE else self._trouble

    @property
    def clock(self) -> ServerClock:
        """Which tick the server is at, `clock.tick(now_s)`, and how evenly its frames come."""
        return self._foresight.clock

    @property
    def ping(self) -> float:
        """How long a message takes there and back, in milliseconds; 0 before it was measured."""
        return self.clock.ping_s * 1000

    @property
    def reason(self) -> Close | None:
        """Why the session is gone, None while it is not."""
        return self._session.closed

    @property
    def view(self) -> View:
        """The newest rows received; it changes with each frame."""
        assert self._session.view is not None
        return self._session.view

    @property
    def schema(self) -> Schema:
        """What the game declares: tables, input, actions, options."""
        assert self._session.schema is not None
        return self._session.schema

    @property
    def stats(self) -> ClientStats:
        """What was counted so far."""
        return self._session.stats

    def sample(self, fn: Callable[[], Sample] | None) -> None:
        """Call `fn` once a tick for the player's input; None stops asking.

        `fn` returns the game's own Input, field values by name (others take their defaults), or
        None for no input this time. What it raises ends the session.
        """
        self._sample = fn

    def predict(
        self,
        kind: type[Entity] | str,
        rule: Rule,
        *,
        peek: Callable[[], Input] | None = None,
        smooth_s: float = SMOOTH_S,
    ) -> Prediction:
        """Keep this player's rows of a table ahead of the server by the game's own step for one.

        `rule(row, input, dt, view)` is played again on every frame with the inputs the server has
        not answered. KeyError for a table there is none of.
        """
        table = kind if isinstance(kind, str) else kind.__name__
        self.view.all(table)
        assert self._session.welcome is not None
        dt = 1 / self._session.welcome.tick_rate
        made = Prediction(table, rule, dt, self.schema, peek=peek, smooth_s=smooth_s)
        made.framed(self.view, self._foresight.pending)
        self._foresight.predictions[table] = made
        return made

    def predicted(self, kind: type[Entity] | str) -> list[Any]:
        """This player's rows of a predicted table as they are to be shown now; they are copies.

        KeyError where `predict` was not called for it.
        """
        return self._foresight.drawn(kind if isinstance(kind, str) else kind.__name__)

    async def act(self, action: Action | str, values: Mapping[str, Value] | None = None) -> Answer:
        """Do what must happen once; the answer comes when the server applied or refused it.

        ValueError for a spectator, for an action the game does not declare, or for values that do
        not fit; `Gone` if the session ends first.
        """
        if self._shapes is None or self._session.state is ClientState.GONE:
            raise Gone(self._session.closed or Close(CloseCode.NORMAL, "not joined"))
        if not self.player:
            raise ValueError("a spectator watches; join as a player to act")
        asked: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append((self._shapes.action(action, values), asked))
        return await asked

    @overload
    def on(self, kind: Literal["state"], table: Callable[[str, str], None]) -> Unheard: ...
    @overload
    def on(self, kind: Literal["result"], table: Callable[[Any], None]) -> Unheard: ...
    @overload
    def on(self, kind: Change, table: str, fn: Callable[[Any], None]) -> Unheard: ...
    def on(
        self, kind: str, table: str | Callable[..., None], fn: Callable[[Any], None] | None = None
    ) -> Unheard:
        """Call `fn(row)` for each row of a table that was added, changed, removed or hidden.

        Without a table: `on("state", fn)` calls `fn(state, why)`, and `on("result", fn)` calls
        `fn(result)` when a match has finished, with None where nobody has its result any more.
        Returns what ends it. ValueError for a kind or a table there is none of.
        """
        known = CHANGES if isinstance(table, str) else ("state", "result")
        if kind not in known:
            raise ValueError(f"{kind!r} is none of {', '.join(known)}")
        if isinstance(table, str) and table not in self.view.names:
            names = ", ".join(self.view.names)
            raise ValueError(f"this game has no table {table!r}; it has {names}")
        call = fn if isinstance(table, str) else table
        if call is None:
            raise ValueError(f"on({kind!r}, {table!r}) takes a function of a row as well")
        handlers = self._handlers.setdefault((kind, table if isinstance(table, str) else ""), [])
        handlers.append(call)

        def off() -> None:
            if call in handlers:
                handlers.remove(call)

        return off

    def leave(self) -> None:
        """Give the seat up."""
        if self._session.state is not ClientState.GONE:
            self._connection.leave()

    async def ready(self) -> None:
        """Return when the first frame is there; `Gone` if the session ends before."""
        await self._ready.wait()
        if self._session.view is None or not self._session.view.tick:
            raise Gone(self._session.closed or Close(CloseCode.NORMAL, "left"))

    async def closed(self) -> Close:
        """Why the session ended, once it has."""
        return await asyncio.shield(self._task)

    def welcomed(self) -> None:
        """Take in the schema (called by the connection)."""
        schema = self._session.schema
        if schema is not None and (self._shapes is None or self._shapes.schema is not schema):
            self._shapes = Shapes(schema)
        self._changed()

    def framed(self, outcome: Outcome) -> None:
        """Tell handlers what changed, settle actions, and answer with an item."""
        self._ready.set()
        self._settle(outcome.refusals)
        self._guarded(self._foresight.framed)
        if self._handlers and outcome.changes is not None:
            for kind in CHANGES:
                for table, row in getattr(outcome.changes, kind):
                    for fn in tuple(self._handlers.get((kind, table), ())):
                        self._guarded(partial(fn, row))
        self._result()
        self._changed()
        self._foresight.sample()

    def troubled(self, code: int, reason: str) -> None:
        """Note a lost socket; the session's state says what follows."""
        logging.getLogger(__name__).info("%s: %d %s", self.id or "joining", code, reason)
        self._trouble = reason
        self._foresight.forget_stale()
        self._changed()

    async def _run(self) -> Close:
        try:
            return await self._connection.run()
        finally:
            self._beat.cancel()
            if self._asking is not None:
                self._asking.cancel()
            self._ready.set()
            self._let_go()
            self._changed()

    def _changed(self) -> None:
        """Tell a state that is another than the one told before."""
        state = self.state
        if state == self._told_state:
            return
        self._told_state = state
        for fn in tuple(self._handlers.get(("state", ""), ())):
            self._guarded(partial(fn, state, self.why))

    def _result(self) -> None:
        """Tell the result of a match that finished."""
        room = self.view.room
        finished = room.finished if room is not None else 0
        fresh = finished and self._finished is not None and finished != self._finished
        self._finished = finished
        if fresh and self._handlers.get(("result", "")):
            self._asking = asyncio.ensure_future(self._ask_result())

    async def _ask_result(self) -> None:
        result = await ask_result(self._connection.url, self.id)
        for fn in tuple(self._handlers.get(("result", ""), ())):
            self._guarded(partial(fn, result))

    def _post(self) -> None:
        if not self.player:
            return
        made = self._guarded(self._input)
        batch = [self._asked.popleft() for _ in range(min(len(self._asked), ACTIONS_PER_ITEM_MAX))]
        if made is None and not batch:
            return
        seq = self._session.post(made, [action for action, _ in batch])
        if seq > self._session.last_seq:
            self._asked.extendleft(reversed(batch))
            return
        if batch:
            self._acting[seq] = [asked for _, asked in batch]
        if made is not None:
            self._guarded(partial(self._foresight.posted, seq, made))

    def _input(self) -> Input | None:
        sample = self._sample() if self._sample else None
        if sample is None or self._shapes is None:
            return None
        return self._shapes.input(sample)

    def _guarded(self, call: Callable[[], T]) -> T | None:
        """Call what the caller of `join` gave; what it raises ends this session, told as such."""
        try:
            return call()
        except Exception as error:
            logging.getLogger(__name__).exception("%s: a callback failed", self.id)
            reason = f"a callback failed: {type(error).__name__}: {error}"
            self._connection.leave(reason)
            return None

    def _settle(self, refusals: list[tuple[int, int, str]]) -> None:
        refused = {(seq, part): reason for seq, part, reason in refusals}
        for seq in [seq for seq in self._acting if seq <= self._session.ack]:
            for part, asked in enumerate(self._acting.pop(seq), 1):
                reason = refused.get((seq, part))
                if not asked.done():
                    asked.set_result(Answer(reason is None, reason or ""))

    def _let_go(self) -> None:
        waiting = (asked for many in self._acting.values() for asked in many)
        for asked in [*(asked for _, asked in self._asked), *waiting]:
            if not asked.done():
                asked.set_exception(Gone(self._session.closed or Close(CloseCode.NORMAL, "left")))


__all__ = ["Answer", "Gone", "Room"]
