"""What happens in a cluster, told in lines: processes that end and serve, rooms that move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from bench.cluster import Cluster
from bench.cluster_server import Server
from bench.processes import is_gone
from server.store.base import Store
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
            names = {name: one.called for one in servers for name in one.names}
            for line in await rooms.look(names):
                say(line)
            await asyncio.sleep(LOOK_S)
    finally:
        await store.close()


class ServerEvents:
    """The worker of one server, as it was seen last; `names` are those of all its processes."""

    def __init__(self, server: Server) -> None:
        self.called = f"server {server.number}"
        self.names: list[str] = []
        self._server = server
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
                lines.append(f"{self.called}: worker {one} is gone")
        self._pid = pid
        if (name := server.name) not in self.names:
            self.names.append(name)
            lines.append(
                f"{self.called}: process {name} serves at {server.url}    "
                f"kill -9 {server.serving_pid}"
            )
        if server.alive != self._alive:
            self._alive = server.alive
            lines.append(f"{self.called} {'runs again' if self._alive else 'ended'}")
        return lines


class RoomEvents:
    """The rooms in the store and who owned them last, as they were told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owners: dict[str, str] = {}
        self._away = False

    async def look(self, names: Mapping[str, str]) -> list[str]:
        """What is new of them, owners by `names`; a store that does not answer is news, too.

        Of an owner without a name nothing is told yet: it takes up rooms before it says it serves.
        """
        try:
            rooms = {entry.room: entry for entry in await self._store.rooms()}
        except StoreError as error:
            lines = [] if self._away else [f"the store does not answer: {error}"]
            self._away = True
            return lines
        lines = ["the store answers again"] if self._away else []
        self._away = False
        names = {"": "nobody", **names}
        for name, now in rooms.items():
            before = self._owners.get(name)
            if now.owner not in names or now.owner == before:
                continue
            if before is None:
                lines.append(f"room {name}: with {names[now.owner]}")
            elif now.owner and names[before] == names[now.owner]:
                lines.append(f"room {name}: {names[now.owner]} took it up again")
            elif now.owner:
                lines.append(f"room {name}: {names[before]} -> {names[now.owner]}")
            if before is None or now.owner:
                self._owners[name] = now.owner
        for name in self._owners.keys() - rooms.keys():
            del self._owners[name]
            lines.append(f"room {name}: over")
        return lines
