"""One of several servers in a world: it can be killed, and be cut off from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from server.app import App
from server.store.base import Store
from server.store.exchange import Exchange, Gap, News, Subscription
from tests.simulation.network import Network


class Way:
    """The way from a process to its store: open, or cut until it is opened again.

    Who asks while it is cut hears nothing until it is open, as behind a connection that hangs.
    `loses` says of each piece of news and each letter whether it is lost on the way.
    """

    def __init__(self) -> None:
        self.loses: Callable[[], bool] = lambda: False
        self._open = asyncio.Event()
        self._open.set()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def through(self) -> None:
        await self._open.wait()


class CutStore:
    """A `Store` behind a way: each call goes through it."""

    def __init__(self, store: Store, way: Way) -> None:
        self._store = store
        self._way = way

    async def close(self) -> None:
        """Others use the store still."""

    def shard(self, room: str) -> str:
        """It is known without asking."""
        return self._store.shard(room)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._way.through()
            answer = await method(*arguments, **named)
            await self._way.through()
            return answer

        return call


class CutExchange:
    """An `Exchange` behind a way: what is told or heard while it is cut is lost."""

    def __init__(self, exchange: Exchange, way: Way) -> None:
        self._exchange = exchange
        self._way = way

    def tell(self, news: Sequence[tuple[str, News]]) -> None:
        if self._way.is_open:
            self._exchange.tell([one for one in news if not self._way.loses()])

    def post(self, name: str, letter: bytes) -> None:
        if self._way.is_open and not self._way.loses():
            self._exchange.post(name, letter)

    async def follow(self, room: str, hear: Callable[[News | Gap], None]) -> Subscription:
        await self._way.through()
        return await self._exchange.follow(room, self._if_open(hear))

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> Subscription:
        await self._way.through()
        return await self._exchange.listen(name, self._if_open(hear))

    def _if_open(self, hear: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda heard: hear(heard) if self._way.is_open else None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._exchange, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._way.through()
            return await method(*arguments, **named)

        return call


class Process:
    """A server that can die, and be cut off from its store."""

    def __init__(self, app: App, way: Way, network: Network) -> None:
        self.app = app
        self.way = way
        self._network = network

    @property
    def name(self) -> str:
        return self.app.host.name

    def owns(self) -> list[str]:
        """The rooms it runs."""
        return [room.id for room in self.app.host.rooms() if room.owned is not None]

    async def kill(self) -> None:
        """It does nothing any more, from one moment to the next."""
        self.way.cut()
        self._network.cut(self.app.listener)
        tasks = [*self.app.host._tasks, *self.app._tasks]
        for room in self.app.host.rooms():
            await room.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.app.listener.stop()

    async def drain(self) -> None:
        """It is told to end, as by SIGTERM."""
        if self.app.listener in self._network.pool:
            self._network.pool.remove(self.app.listener)
        await self.app.stop(4)
