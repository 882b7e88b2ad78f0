"""What happens in a cluster, told in lines: processes that end and serve, rooms that move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bench.cluster import Cluster
from bench.cluster_server import Server
from bench.processes import is_gone
from server.store.base import RoomEntry, Store
from server.store.redis import RedisStore
from server.store.redis_address import parse_address
from shared.errors import StoreError

LOOK_S = 0.2


async def tell_events(cluster: Cluster, say: Callable[[str], None]) -> None:
    """Look again and again until cancelled, and say what has changed since the last look."""
    store = RedisStore(parse_address(cluster.valkey.url))
    await store.open()
    try:
        servers = [ServerEvents(server) for server in cluster.servers]
        rooms = RoomEvents(store)
        while True:
            for server in servers:
                for line in server.look():
                    say(line)
            for line in await rooms.look():
                say(line)
            await asyncio.sleep(LOOK_S)
    finally:
        await store.close()


class ServerEvents:
    """The worker of one server, as it was seen last."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._name = ""
        self._pid = 0
        self._gone = 0
        self._alive = True

    def look(self) -> list[str]:
        """What is new of it."""
        server, lines = self._server, list[str]()
        pid = server.pid
        # Its supervisor may have started the next one before we looked.
        for one in (self._pid, pid):
            if one not in {0, self._gone} and (one != pid or is_gone(one)):
                self._gone = one
                lines.append(f"server {server.number}: worker {one} is gone")
        self._pid = pid
        if (name := server.name) != self._name:
            self._name = name
            lines.append(f"server {server.number}: process {name} serves at {server.url}")
        if server.alive != self._alive:
            self._alive = server.alive
            lines.append(f"server {server.number} {'runs again' if self._alive else 'ended'}")
        return lines


class RoomEvents:
    """The rooms in the store and their owners, as they were seen last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rooms: dict[str, RoomEntry] = {}
        self._away = False

    async def look(self) -> list[str]:
        """What is new of them; a store that does not answer is news, too."""
        try:
            rooms = {entry.room: entry for entry in await self._store.rooms()}
        except StoreError as error:
            lines = [] if self._away else [f"the store does not answer: {error}"]
            self._away = True
            return lines
        lines = ["the store answers again"] if self._away else []
        self._away = False
        for name, now in rooms.items():
            before = self._rooms.get(name)
            if before is None:
                lines.append(f"room {name}: with {now.owner or 'nobody'}")
            elif now.owner != before.owner and now.owner:
                lines.append(f"room {name}: {before.owner or 'nobody'} -> {now.owner}")
        lines += [f"room {name}: over" for name in self._rooms.keys() - rooms.keys()]
        self._rooms = rooms
        return lines
