"""A Python client with the browser's names: join a room, sample inputs, act, watch rows.

room = await join("ws://localhost:8080", "coins", name="Ada")
room.sample(lambda: {"x": 1})
off = room.on("added", "Coin", lambda coin: print(coin.x, coin.y))
answer = await room.act("Say", {"text": "hi"})
room.leave()
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from typing import Any, Literal, TypeVar

from shared.errors import CloseCode
from shared.inputs import Action, Input
from shared.limits import ACTIONS_PER_ITEM_MAX, NONCE_BYTES
from shared.messages import Close, Join, Role
from shared.schema import Schema
from shared.session import ClientSession, ClientState, ClientStats, Outcome
from shared.view import View

from .address import play_url
from .clock import Clock, LoopClock
from .connection import Connection
from .line import Transport
from .shapes import Shapes, Value
from .websocket import Connect, open_websocket

T = TypeVar("T")

Sample = Input | Mapping[str, Value] | None
Change = Literal["added", "changed", "removed", "hidden"]
CHANGES = ("added", "changed", "removed", "hidden")


class Gone(Exception):
    """The session ended: `code` is the close code, `reason` what the server said."""

    def __init__(self, end: Close) -> None:
        super().__init__(f"{end.reason} ({end.code})")
        self.code = end.code
        self.reason = end.reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an action; `reason` says why it was refused."""

    applied: bool
    reason: str = ""


async def join(
    url: str,
    game: str,
    *,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    room: str | None = None,
    role: Literal["player", "spectator"] = "player",
    identity: str | None = None,
    transport: Literal["websocket", "polling", "auto"] = "auto",
    connect: Connect = open_websocket,
    clock: Clock | None = None,
) -> Room:
    """A seat in a room of this game, with the first frame received.

    `Gone` when the server refuses; ConfigError for a URL that is none. Cancelling gives up.
    """
    wishes = dict(options or {}) | ({"room": room} if room else {})
    rng = SystemRandom()
    seat = Join(rng.randbytes(NONCE_BYTES), game, wishes, name, Role[role.upper()], identity)
    made = Room(
        play_url(url),
        seat,
        connect=connect,
        clock=clock or LoopClock(),
        rng=rng,
        transport=Transport(transport),
    )
    try:
        await made.ready()
    except BaseException:
        made.leave()
        raise
    return made


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
        self._sample: Callable[[], Sample] | None = None
        self._asked: deque[tuple[tuple[int, Action], asyncio.Future[Answer]]] = deque()
        self._acting: dict[int, list[asyncio.Future[Answer]]] = {}
        self._handlers: dict[tuple[str, str], list[Callable[[Any], None]]] = {}
        self._ready = asyncio.Event()
        self._shapes: Shapes | None = None
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
    def state(self) -> ClientState:
        """Where the session stands (docs/SESSION.md)."""
        return self._session.state

    @property
    def polling(self) -> bool:
        """Whether the session travels by long polls now, as no WebSocket gets through."""
        return self._connection.polling

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
        """Call `fn` once a frame for the player's input; None stops asking.

        `fn` returns the game's own Input, field values by name (others take their defaults), or
        None for no input this time. What it raises ends the session.
        """
        self._sample = fn

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

    def on(self, kind: Change, table: str, fn: Callable[[Any], None]) -> Callable[[], None]:
        """Call `fn(row)` for each row of a table that was added, changed, removed or hidden.

        Returns what ends it. ValueError for a kind or a table there is none of.
        """
        if kind not in CHANGES:
            raise ValueError(f"{kind!r} is none of {', '.join(CHANGES)}")
        names = self.view.names
        if table not in names:
            raise ValueError(f"this game has no table {table!r}; it has {', '.join(names)}")
        handlers = self._handlers.setdefault((kind, table), [])
        handlers.append(fn)

        def off() -> None:
            if fn in handlers:
                handlers.remove(fn)

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
        if self._shapes is None and self._session.schema is not None:
            self._shapes = Shapes(self._session.schema)

    def framed(self, outcome: Outcome) -> None:
        """Tell handlers what changed, settle actions, and answer with an item."""
        self._ready.set()
        self._settle(outcome.refusals)
        if self._handlers and outcome.changes is not None:
            for kind in CHANGES:
                for table, row in getattr(outcome.changes, kind):
                    for fn in tuple(self._handlers.get((kind, table), ())):
                        self._guarded(partial(fn, row))
        self._post()

    def troubled(self, code: int, reason: str) -> None:
        """Note a lost socket; the session's state says what follows."""
        logging.getLogger(__name__).info("%s: %d %s", self.id or "joining", code, reason)

    async def _run(self) -> Close:
        try:
            return await self._connection.run()
        finally:
            self._ready.set()
            self._let_go()

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
        elif batch:
            self._acting[seq] = [asked for _, asked in batch]

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
        waiting = [asked for _, asked in self._asked]
        waiting += [asked for many in self._acting.values() for asked in many]
        for asked in waiting:
            if not asked.done():
                asked.set_exception(Gone(self._session.closed or Close(CloseCode.NORMAL, "left")))


__all__ = ["Answer", "Gone", "Room", "join"]
