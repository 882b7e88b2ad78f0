"""The exchange within one process: the contract's reference, the simulator's, and SQLite's.

Several servers in one event loop may share one; what is told is heard in the loop's next turn, so
that nobody hears anything in the middle of telling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Generic, TypeVar

from server.store.exchange import (
    MAKING_S,
    NONCE_S,
    PROCESS_TTL_S,
    PROMISE_S,
    Gap,
    Listing,
    News,
    NoSeat,
    Process,
)

M = TypeVar("M")
FORGOTTEN_MAX = 8
"""How many outdated entries one search for a seat takes away: more than it can add."""


class _Subscription(Generic[M]):
    """One of those who hear what is sent to a name; `named` holds them all."""

    def __init__(
        self, named: dict[str, list[_Subscription[M]]], name: str, hear: Callable[[M], None]
    ) -> None:
        self._named = named
        self._name = name
        self._hear: Callable[[M], None] | None = hear
        named.setdefault(name, []).append(self)

    def cancel(self) -> None:
        if self._hear is None:
            return
        self._hear = None
        others = self._named[self._name]
        others.remove(self)
        if not others:
            del self._named[self._name]

    def bring(self, message: M) -> None:
        """Let it be heard in the next turn of the loop, unless it is cancelled by then."""
        asyncio.get_running_loop().call_soon(self._deliver, message)

    def _deliver(self, message: M) -> None:
        if self._hear is not None:
            self._hear(message)


class MemoryExchange:
    """An `Exchange` in this process's memory; `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._followers: dict[str, list[_Subscription[News | Gap]]] = {}
        self._listeners: dict[str, list[_Subscription[bytes]]] = {}
        self._processes: dict[str, tuple[float, Process]] = {}
        self._stuck: dict[str, tuple[float, str]] = {}
        self._listings: dict[str, Listing] = {}
        self._kinds: dict[str, set[str]] = {}
        self._promises: dict[str, dict[bytes, float]] = {}
        self._nonces: dict[bytes, tuple[float, str]] = {}
        self._making: dict[str | bytes, tuple[float, tuple[str, bytes]]] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do: others may use it still."""

    def tell(self, news: Sequence[tuple[str, News]]) -> None:
        for room, one in news:
            for follower in list(self._followers.get(room, ())):
                follower.bring(one)

    async def follow(
        self, room: str, hear: Callable[[News | Gap], None]
    ) -> _Subscription[News | Gap]:
        return _Subscription(self._followers, room, hear)

    def post(self, name: str, letter: bytes) -> None:
        for listener in list(self._listeners.get(name, ())):
            listener.bring(letter)

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> _Subscription[bytes]:
        return _Subscription(self._listeners, name, hear)

    async def beat(self, process: Process) -> None:
        self._processes[process.name] = (self._now() + PROCESS_TTL_S, process)

    async def depart(self, name: str) -> None:
        self._processes.pop(name, None)

    async def processes(self) -> list[Process]:
        now = self._now()
        self._processes = {n: kept for n, kept in self._processes.items() if kept[0] > now}
        return [process for _, (_, process) in sorted(self._processes.items())]

    async def mark_stuck(self, owner: str, room: str, seconds: float) -> None:
        now = self._now()
        self._stuck = {name: one for name, one in self._stuck.items() if one[0] > now}
        self._stuck[owner] = (now + seconds, room)

    async def stuck_in(self, owner: str) -> str:
        until, room = self._stuck.get(owner, (0.0, ""))
        return room if until > self._now() else ""

    async def announce(self, listings: Sequence[Listing]) -> None:
        now = self._now()
        for listing in listings:
            room = listing.room
            new = room not in self._listings
            self._unlist(room)
            self._listings[room] = replace(listing, seated=(), made_for=())
            if listing.key:
                self._kinds.setdefault(listing.key, set()).add(room)
                if new or listing.free > 0:
                    self._making.pop(listing.key, None)
            for nonce in listing.seated:
                self._promises.get(room, {}).pop(nonce, None)
            for nonce in listing.made_for:
                self._making.pop(nonce, None)
                self._send(nonce, room, now)

    async def delist(self, room: str) -> None:
        self._unlist(room)
        self._promises.pop(room, None)

    def _unlist(self, room: str) -> None:
        listing = self._listings.pop(room, None)
        if listing is not None and listing.key:
            alike = self._kinds[listing.key]
            alike.discard(room)
            if not alike:
                del self._kinds[listing.key]

    async def listings(self, key: str | None = None) -> list[Listing]:
        rooms = self._listings if key is None else self._kinds.get(key, ())
        return [self._listings[room] for room in sorted(rooms)]

    async def find_seat(
        self, key: str, nonce: bytes, process: str = "", excluding: Sequence[str] = ()
    ) -> str | NoSeat:
        now = self._now()
        self._forget(now)
        for room in excluding:
            self._promises.get(room, {}).pop(nonce, None)
        _, known = self._nonces.get(nonce, (now, ""))
        if known in self._listings and known not in excluding:
            return known
        best: tuple[int, str] | None = None
        for room in self._kinds.get(key, ()):
            free = self._listings[room].free - self._promised(room, now)
            if free > 0 and room not in excluding and (best is None or (free, room) < best):
                best = (free, room)
        if best is not None:
            self._send(nonce, best[1], now)
            return best[1]
        until, maker = self._making.get(key or nonce, (now, ("", b"")))
        if until > now and maker != (process, nonce):
            return NoSeat.WAIT
        self._making[key or nonce] = (now + MAKING_S, (process, nonce))
        return NoSeat.MAKE

    def _send(self, nonce: bytes, room: str, now: float) -> None:
        """Promise a nonce a seat in a room, and send it there again."""
        if not nonce:
            return
        self._promises.setdefault(room, {})[nonce] = now + PROMISE_S
        # Put last, so that the nonces stay in order of their end.
        self._nonces.pop(nonce, None)
        self._nonces[nonce] = (now + NONCE_S, room)

    def _forget(self, now: float) -> None:
        """Let go of nonces and of askers whose time is over."""
        for nonce, (until, _) in list(islice(self._nonces.items(), FORGOTTEN_MAX)):
            if until > now:
                break
            del self._nonces[nonce]
        for key, (until, _) in list(islice(self._making.items(), FORGOTTEN_MAX)):
            if until <= now:
                del self._making[key]

    def _promised(self, room: str, now: float) -> int:
        promises = self._promises.get(room)
        if not promises:
            return 0
        for nonce in [nonce for nonce, until in promises.items() if until <= now]:
            del promises[nonce]
        return len(promises)
