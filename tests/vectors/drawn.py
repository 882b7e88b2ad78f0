"""Vectors of what is drawn: frames and moments in, rows out, by the whole Python client.

A real room of `Pond` is played over a network that is late, uneven and stalls; the client's socket
and time are told. Both languages must draw these rows at these moments, and send these bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any

from bots.client import Room, join
from bots.websocket import Receiver
from server.core import room as authority
from server.core.fanout import Fanout
from server.core.inbox import decode_items
from server.core.room import SeatRequest
from shared.from_client import decode_from_client
from shared.match import Match
from shared.messages import InputMessage, Welcome
from shared.schema import describe
from shared.session import ServerSession
from tests.vectors.pond import REWIND_TICKS, Paddle, Pond, paddle

NONCE = bytes(16)
TICK_MS = 50.0
PICTURE_MS = 100 / 3
LATE_MS, UNEVEN_MS, UP_MS = 60.0, 25.0, 70.0
BEGAN_MS, ENDS_MS = 1000.0, 6000.0
# Nothing comes through from the one to the other: longer than a row is carried on.
STALLS = (2600.0, 2790.0), (3900.0, 4310.0)
# So that another platform's last bit of an exponential makes no other file.
PLACES = 10
# What is compared of each row, in order.
FIELDS = {
    "Duck": ["id", "owner", "x", "y", "heading", "dives", "hunger"],
    "Splash": ["id", "owner", "x"],
}


class Told:
    """Time that is told; nobody's wait ends by it."""

    def __init__(self) -> None:
        self.ms = BEGAN_MS

    def now(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        del seconds
        await asyncio.Event().wait()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        del timeout_s
        return await event.wait()


class Wire:
    """The one socket of a client, whose other end is the caller's."""

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        self.opened = asyncio.Event()
        self.sent: list[bytes] = []

    async def open(self, url: str, receiver: Receiver) -> Wire:
        del url
        self.receiver = receiver
        self.opened.set()
        return self

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        assert self.receiver is not None
        self.receiver.ended(code, reason)

    def hear(self, payload: bytes) -> None:
        assert self.receiver is not None
        self.receiver.message(payload)

    def said(self) -> list[bytes]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


class Authority:
    """The server's side: a pond with one player, a tick at a time."""

    def __init__(self, seed: int) -> None:
        self.room = authority.Room("pond", Match(Pond(), Pond.options(), seed), epoch=1)
        self.room.join(SeatRequest(NONCE, "Ada"))
        step = self._step()
        match = self.room.match
        player = step.seated[NONCE]
        self.session = ServerSession(player, 0, 0, 1, match.tick)
        limits = (1 << 16, 64, 8, 256, REWIND_TICKS)
        schema = describe(match.game)
        self.welcome = Welcome(b"token", "pond", 1, player, 20, 1, schema, limits).encode()

    def hear(self, payload: bytes) -> None:
        """Take in a message of the player's."""
        message = decode_from_client(payload)
        if isinstance(message, InputMessage):
            fresh = self.session.take(message, self.room.match.tick)
            self.room.submit(self.session.player, decode_items(self.room.game, fresh))

    def tick(self) -> bytes:
        """One tick; the frame it brings."""
        step = self._step()
        match = self.room.match
        assert self.session.due(match.tick, 20, 0)
        return Fanout(match, step.commit).frame(self.session)

    def _step(self) -> authority.Step:
        self.room.present = {player.id for player in self.room.match.players}
        return self.room.step()


@dataclass
class Play:
    """One client at the pond. `steps` is what it heard and drew, and what it sent meanwhile."""

    seed: int
    predicts: bool

    def __post_init__(self) -> None:
        self.time, self.wire = Told(), Wire()
        self.authority = Authority(self.seed)
        self.controls = _controls(self.seed)
        self.steps: list[dict[str, Any]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._rng = Random(self.seed + 1)
        self._down_ms = 0.0
        self.room: Room | None = None

    async def run(self) -> dict[str, Any]:
        """The vector."""
        coming = asyncio.ensure_future(
            join("ws://pond/play", "pond", name="Ada", connect=self.wire.open, clock=self.time)
        )
        await self.wire.opened.wait()
        self.wire.said()
        self.wire.hear(self.authority.welcome)
        first = self.authority.tick()
        self.wire.hear(first)
        self.room = await coming
        start: dict[str, Any] = {"welcome": self.authority.welcome.hex(), "first": first.hex()}
        if self.predicts:
            self.room.predict("Duck", _rule, peek=self._pull)
            self.room.sample(self._pull)
        start |= self._sent()
        self._at(BEGAN_MS + TICK_MS, self._tick)
        self._at(BEGAN_MS + 7, self._draw)
        while self._events[0][0] < ENDS_MS:
            self.time.ms, _, happen = heappop(self._events)
            happen()
        self.room.leave()
        await self.room.closed()
        controls = self.controls if self.predicts else None
        known = {"began_ms": BEGAN_MS, "fields": FIELDS, "controls": controls}
        return {**known, **start, "steps": self.steps}

    def _at(self, ms: float, happen: Callable[[], None]) -> None:
        self._count += 1
        # Whole microseconds: both languages read the same moment.
        heappush(self._events, (round(ms, 3), self._count, happen))

    def _tick(self) -> None:
        frame = self.authority.tick()
        due = self.time.ms + LATE_MS + self._rng.uniform(-UNEVEN_MS, UNEVEN_MS)
        due += sum(end - due for start, end in STALLS if start <= due < end)
        self._down_ms = max(self._down_ms + 0.001, due)
        self._at(self._down_ms, partial(self._hear, frame))
        self._at(self.time.ms + TICK_MS, self._tick)

    def _hear(self, frame: bytes) -> None:
        self.wire.hear(frame)
        self.steps.append({"ms": self.time.ms, "frame": frame.hex(), **self._sent()})

    def _draw(self) -> None:
        assert self.room is not None
        view = self.room.view(self.time.now())
        rows = {
            kind: [[_rounded(getattr(row, name)) for name in names] for row in view.all(kind)]
            for kind, names in FIELDS.items()
        }
        seen = {"tick": _rounded(view.tick), "rows": rows}
        self.steps.append({"ms": self.time.ms, **seen, **self._sent()})
        self._at(self.time.ms + PICTURE_MS, self._draw)

    def _sent(self) -> dict[str, list[str]]:
        said = self.wire.said()
        for message in said:
            self._at(self.time.ms + UP_MS, partial(self.authority.hear, message))
        return {"sent": [message.hex() for message in said]}

    def _pull(self) -> Paddle:
        now = self.time.ms
        [*_, (_, go, turn)] = [one for one in self.controls if one[0] <= now]
        return Paddle(go=go, turn=turn)


def _rule(duck: Any, pull: Any, dt: float, view: Any) -> None:
    del view
    paddle(duck, pull, dt)


def _controls(seed: int) -> list[tuple[float, int, int]]:
    """What the player does from which moment on: (ms, go, turn)."""
    rng, now, found = Random(seed + 2), BEGAN_MS, [(0.0, 0, 0)]
    while now < ENDS_MS:
        now = round(now + rng.uniform(80, 500), 3)
        found.append((now, rng.choice((-1, 1, 1, 0)), rng.choice((-1, 0, 0, 1))))
    return found


def _rounded(value: Any) -> Any:
    return round(value, PLACES) if isinstance(value, float) else value


def make_drawn() -> dict[str, Any]:
    """Files of what is drawn, by name."""
    return {
        "watched": asyncio.run(Play(1, predicts=False).run()),
        "predicted": asyncio.run(Play(2, predicts=True).run()),
    }
