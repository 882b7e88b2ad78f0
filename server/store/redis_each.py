"""One of something for each node that keeps something: made when it is asked for, left in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from server.store.redis_address import Address
from server.store.redis_nodes import Nodes

T = TypeVar("T")


class EachNode(Generic[T]):
    """`make` makes one for a node, `end` ends it: at `close`, or when its node is no more."""

    def __init__(
        self,
        nodes: Nodes,
        make: Callable[[Address], T],
        end: Callable[[T], Coroutine[Any, Any, None]],
    ) -> None:
        self._nodes = nodes
        self._make = make
        self._end = end
        self._made: dict[Address, T] = {}
        self._ending: set[asyncio.Task[None]] = set()
        nodes.when_learnt(self._leave)

    def at(self, node: Address) -> T:
        """The node's own."""
        found = self._made.get(node)
        if found is None:
            found = self._made[node] = self._make(node)
        return found

    def of(self, key: bytes) -> T:
        """That of the node which keeps a key."""
        return self.at(self._nodes.of(key))

    def all(self) -> list[T]:
        """That of every node there is."""
        return [self.at(node) for node in self._nodes.all]

    async def close(self) -> None:
        """End them all."""
        made, self._made = self._made, {}
        for one in made.values():
            await self._end(one)
        await asyncio.gather(*self._ending)

    def _leave(self) -> None:
        """End those of nodes that are no more, in the background."""
        for gone in self._made.keys() - set(self._nodes.all):
            task = asyncio.get_running_loop().create_task(self._end(self._made.pop(gone)))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
