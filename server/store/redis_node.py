"""One Redis as the journal knows it: an explicit connection, and what is asked on it.

The connection is made when it is needed, and made anew by the next question after it broke. An
error reply that is not about one room breaks it.
"""

from __future__ import annotations

import asyncio

import hiredis

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_connection import Connection, Reply, connect
from server.store.redis_durable import Durable
from server.store.redis_errors import elsewhere, refusal
from server.store.redis_nodes import Nodes


class Node:
    """Made closed; `nodes` is told whenever this one gives a reason to doubt who keeps what."""

    def __init__(self, address: Address, answer_s: float, nodes: Nodes) -> None:
        self.address = address
        self.durable = Durable(address, answer_s, lambda: nodes.key_at(address, "waited"))
        self._answer_s = answer_s
        self._nodes = nodes
        self.connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def connected(self) -> Connection:
        """The connection, made anew where it is broken; callers share one attempt."""
        if self.connection is not None and not self.connection.broken:
            return self.connection
        if self._connecting is None:
            made = connect(self.address, self._answer_s, self._nodes.doubt)
            self._connecting = asyncio.get_running_loop().create_task(made)
            self._connecting.add_done_callback(self._made)
        return await asyncio.shield(self._connecting)

    async def close(self) -> None:
        """Let what is open be answered, and end."""
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
        if self.connection is not None:
            await self.connection.finish()
            self.connection = None

    async def asked(self, connection: Connection, command: bytes) -> Reply:
        """One reply; an error that is not about this room breaks the connection and is raised."""
        (reply,) = await self.replies(connection, command)
        if isinstance(reply, hiredis.ReplyError):
            error = refusal(self.address, str(reply))
            if elsewhere(str(reply)):
                self._nodes.doubt()
            elif isinstance(error, StoreUnavailable):
                connection.drop(error)
            raise error
        return reply

    async def replies(self, connection: Connection, *commands: bytes) -> list[Reply]:
        """The replies to commands that may only have read, once the replicas have what they saw."""
        behind = self.durable.behind(wrote=False)
        replies = await connection.replies(*commands, *behind)
        if error := self.durable.judge(replies, len(commands)):
            connection.drop(error)
            raise error
        return replies

    def _made(self, connecting: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if connecting.cancelled() or connecting.exception() is not None:
            self._nodes.doubt()
        else:
            self.connection = connecting.result()
