"""The exchange within one process: the contract's reference, the simulator's, and SQLite's.

Several servers in one event loop may share one; what is told is heard in the loop's next turn, so
that nobody hears anything in the middle of telling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
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


class _Subscription(Generic[M]):
    def __init__(self, others: list[_Subscription[M]], hear: Callable[[M], None]) -> None:
        self._others = others
        self._hear: Callable[[M], None] | None = hear
        others.append(self)

    def cancel(self) -> None:
        self._hear = None
        if self in self._others:
            self._others.remove(self)

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
        self._listings: dict[str, Listing] = {}
        self._promises: dict[str, dict[bytes, float]] = {}
        self._nonces: dict[bytes, tuple[float, str]] = {}
        self._making: dict[str, tuple[float, bytes]] = {}

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
        return _Subscription(self._followers.setdefault(room, []), hear)

    def post(self, name: str, letter: bytes) -> None:
        for listener in list(self._listeners.get(name, ())):
            listener.bring(letter)

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> _Subscription[bytes]:
        return _Subscription(self._listeners.setdefault(name, []), hear)

    async def beat(self, process: Process) -> None:
        self._processes[process.name] = (self._now() + PROCESS_TTL_S, process)

    async def depart(self, name: str) -> None:
        self._processes.pop(name, None)

    async def processes(self) -> list[Process]:
        now = self._now()
        self._processes = {n: kept for n, kept in self._processes.items() if kept[0] > now}
        return [process for _, (_, process) in sorted(self._processes.items())]

    async def announce(self, listings: Sequence[Listing]) -> None:
        for listing in listings:
            new = listing.room not in self._listings
            self._listings[listing.room] = replace(listing, seated=())
            if new or listing.free > 0:
                self._making.pop(listing.key, None)
            promises = self._promises.get(listing.room, {})
            for nonce in listing.seated:
                promises.pop(nonce, None)

    async def delist(self, room: str) -> None:
        self._listings.pop(room, None)
        self._promises.pop(room, None)

    async def listings(self) -> list[Listing]:
        return [listing for _, listing in sorted(self._listings.items())]

    async def find_seat(self, key: str, nonce: bytes) -> str | NoSeat:
        now = self._now()
        self._nonces = {n: kept for n, kept in self._nonces.items() if kept[0] > now}
        known = self._nonces.get(nonce)
        if known is not None and known[1] in self._listings:
            return known[1]
        best: tuple[int, str] | None = None
        for room, listing in sorted(self._listings.items()):
            if listing.key == key:
                free = listing.free - self._promised(room, now)
                if free > 0 and (best is None or free < best[0]):
                    best = (free, room)
        if best is not None:
            room = best[1]
            self._promises.setdefault(room, {})[nonce] = now + PROMISE_S
            self._nonces[nonce] = (now + NONCE_S, room)
            return room
        until, maker = self._making.get(key, (0.0, b""))
        if until > now and maker != nonce:
            return NoSeat.WAIT
        self._making[key] = (now + MAKING_S, nonce)
        return NoSeat.MAKE

    def _promised(self, room: str, now: float) -> int:
        kept = {n: until for n, until in self._promises.get(room, {}).items() if until > now}
        self._promises[room] = kept
        return len(kept)
