"""A room as one of its players sees it, in Python: newest rows, rows to draw, what the player does.

The names are those of client/room.js; docs/GAMES.md has the table of what differs by language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, overload

from shared.entities import Entity
from shared.errors import CloseCode
from shared.inputs import Action
from shared.messages import Close
from shared.schema import EVENT_TABLE, Schema
from shared.session import ClientState
from shared.view import View

from .actions import Refused
from .conversation import ROW_EVENTS, Asked, Conversation
from .counts import Stats
from .ends import Answer, SessionEnded
from .interpolation import Playback
from .listeners import Listener, Unheard
from .prediction import SMOOTH_S, Prediction, Rule
from .shapes import Value
from .timeline import ServerClock

RowEvent = Literal["added", "changed", "removed", "hidden"]
ROOM_EVENTS = ("state", "status", "refused", "frame", "schema", "result", "closed")


class Room:
    """A room as one of its players sees it. Everything runs on the event loop that joined.

    What a function given here raises ends the session, with the reason.
    """

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    @property
    def id(self) -> str:
        """The room's id, to be given to `join(room=...)` elsewhere."""
        return self._talk.session.welcome.room if self._talk.session.welcome else ""

    @property
    def player(self) -> int:
        """The id of this player's row, 0 for a spectator."""
        return self._talk.session.player

    @property
    def tick_rate(self) -> int:
        """Ticks a second."""
        return self._talk.session.welcome.tick_rate if self._talk.session.welcome else 1

    @property
    def state(self) -> str:
        """Where the session stands (docs/SESSION.md); "paused" while the room stands still.

        "polling" is "live" by long polls, where no WebSocket gets through.
        """
        return self._talk.state

    @property
    def status(self) -> str:
        """What the server says of the room: "live", "paused" or "uncommitted"."""
        return self._talk.status

    @property
    def speed(self) -> float:
        """The part of its tick rate at which the room runs: less than 1 in slow motion."""
        return self._talk.speed

    @property
    def polling(self) -> bool:
        """Whether the session travels by long polls now, as no WebSocket gets through."""
        return self._talk.connection.polling

    @property
    def why(self) -> str:
        """Why the state is what it is, in words; empty where all is well."""
        return self._talk.why

    @property
    def clock(self) -> ServerClock:
        """Which tick the server is at, `clock.tick(now_s)`, and how evenly its frames come."""
        return self._talk.foresight.clock

    @property
    def ping(self) -> float:
        """How long a message takes there and back, in seconds; 0 before it was measured."""
        return self.clock.ping_s

    @property
    def reason(self) -> Close | None:
        """Why the session is gone, None while it is not."""
        return self._talk.session.closed

    @property
    def latest(self) -> View:
        """The newest rows received, not interpolated; they change with each frame."""
        assert self._talk.session.view is not None
        return self._talk.session.view

    @property
    def schema(self) -> Schema:
        """What the game declares: tables, input, actions, options."""
        return self.latest.schema

    @property
    def stats(self) -> Stats:
        """What was counted so far."""
        counted, view = self._talk.session.stats, self._talk.session.view
        return Stats(
            ping_s=self.ping,
            jitter_s=self.clock.jitter_s,
            tick=view.tick if view else 0,
            frames=counted.frames,
            frames_skipped=counted.frames_skipped,
            bytes_per_s=self._talk.counts.bytes_per_s,
            resumes=max(0, self._talk.connection.welcomes - 1),
            digests=counted.digests,
            divergence=counted.divergence,
            gap_s_max=self._talk.counts.gap_s_max,
        )

    def view(self, now_s: float | None = None) -> Playback:
        """The view to draw: a little in the past, between two ticks; predicted rows are ahead.

        `now_s` is a moment of the clock that `join` was given, the event loop's time by default;
        None is now. The next call makes another moment of the same view.
        """
        return self._talk.foresight.view(now_s)

    def predict(
        self,
        kind: type[Entity] | str,
        rule: Rule,
        *,
        peek: Callable[[], Asked] | None = None,
        smooth_s: float = SMOOTH_S,
    ) -> Prediction:
        """Draw this player's rows of a table ahead of the server, by the game's own step for one.

        `rule(row, input, dt, view)` is played again on every frame with the inputs the server has
        not answered; from now on `view` has these rows where the player already is. KeyError for a
        table there is none of.
        """
        table = kind if isinstance(kind, str) else kind.__name__
        seen = None if peek is None else partial(self._talk.read, peek)
        made = Prediction(table, rule, 1 / self.tick_rate, peek=seen, smooth_s=smooth_s)
        made.framed(self.latest, self._talk.foresight.pending)
        self._talk.foresight.predictions[table] = made
        return made

    def sample(self, fn: Callable[[], Asked | None] | None) -> None:
        """Say what the player does: `fn` is asked once a tick, and at once; None stops asking.

        `fn` returns the game's own Input, field values by name (others take their defaults), or
        None for no input this time. ValueError or TypeError names the field that is wrong at once;
        later that ends the session.
        """
        asked = fn() if fn is not None else None
        if asked is not None:
            self._talk.shape.input(asked)
        first, self._talk.sampler = self._talk.sampler is None, fn
        if first:
            self._talk.foresight.sample(self._talk.clock.now())
            self._talk.connection.flush()

    async def act(self, action: Action | str, values: Mapping[str, Value] | None = None) -> Answer:
        """Do what must happen once; the answer comes when the server applied or refused it.

        ValueError for a spectator, for an action the game does not declare, or for values that do
        not fit; `SessionEnded` if the session ends first.
        """
        if self._talk.shapes is None or self._talk.session.state is ClientState.GONE:
            raise SessionEnded(self._talk.session.closed or Close(CloseCode.NORMAL, "not joined"))
        if not self.player:
            raise ValueError("a spectator watches; join as a player to act")
        return await self._talk.actions.ask(*self._talk.shapes.action(action, values))

    @overload
    def on(self, what: Literal["state"], table: Callable[[str, str], None]) -> Unheard: ...
    @overload
    def on(self, what: Literal["status"], table: Callable[[str], None]) -> Unheard: ...
    @overload
    def on(self, what: Literal["refused"], table: Callable[[Refused], None]) -> Unheard: ...
    @overload
    def on(self, what: Literal["frame", "schema"], table: Callable[[], None]) -> Unheard: ...
    @overload
    def on(self, what: Literal["result"], table: Callable[[Any], None]) -> Unheard: ...
    @overload
    def on(self, what: Literal["closed"], table: Callable[[SessionEnded], None]) -> Unheard: ...
    @overload
    def on(
        self, what: RowEvent, table: type[Entity] | str, listener: Callable[[Any], None]
    ) -> Unheard: ...
    def on(self, what: str, table: Any, listener: Listener | None = None) -> Unheard:
        """Hear of rows: `on("added", "Runner", fn)` calls `fn(row)`; those there are told at once.

        Of events, only those to come are told. Without a table, of the room: `state(state, why)`,
        `status(status)`, `refused(refused)`, `frame()`, `schema()`, `result(result)` when a match
        has finished (None where nobody has its result), `closed(ended)`. Returns what ends it.
        ValueError for what there is none of.
        """
        rows = isinstance(table, str | type)
        name: str = "" if not rows else table if isinstance(table, str) else table.__name__
        hear: Listener | None = listener if rows else table
        known = ROW_EVENTS if rows else ROOM_EVENTS
        if what not in known:
            raise ValueError(f"{what!r} is none of {', '.join(known)}")
        if rows and name not in self.latest.names:
            names = ", ".join(self.latest.names)
            raise ValueError(f"this game has no table {name!r}; it has {names}")
        if hear is None:
            raise ValueError(f"on({what!r}, {name!r}) takes a function of a row as well")
        off = self._talk.listeners.add((what, name), hear)
        events = {kept.name for kept in self.schema.tables if kept.kind == EVENT_TABLE}
        if what == "added" and name not in events:
            for row in self.latest.all(name):
                self._talk.guarded(partial(hear, row))
        return off

    def leave(self) -> None:
        """Give the seat up."""
        if self._talk.session.state is not ClientState.GONE:
            self._talk.connection.leave()

    def take_back(self) -> None:
        """Take the seat back from who took it (state gone, code 4409); ValueError if nobody did."""
        reason = self.reason
        if reason is None or reason.code != CloseCode.REPLACED or not self._talk.task.done():
            raise ValueError("nobody else has this seat")
        self._talk.take_back()

    def hurry(self) -> None:
        """Try at once instead of waiting: the network is back."""
        self._talk.connection.hurry()

    async def ready(self) -> None:
        """Return when the first frame is there; `SessionEnded` if the session ends before."""
        await self._talk.ready.wait()
        if self._talk.session.view is None or not self._talk.session.view.tick:
            raise SessionEnded(self._talk.session.closed or Close(CloseCode.NORMAL, "left"))

    async def closed(self) -> Close:
        """Why the session ended, once it has."""
        return await asyncio.shield(self._talk.task)


__all__ = ["Answer", "Refused", "Room", "SessionEnded"]
