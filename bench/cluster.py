"""A cluster on this machine: a Valkey, several servers that share it, a proxy without affinity.

```
async with Cluster(processes=3) as cluster:
    play(cluster.url)
    await cluster.servers[0].kill()
```
`python -m bench.cluster` (or `make cluster`) runs one until Ctrl-C, and tells what happens in it.
Nothing here needs root. All is real: processes, sockets, signals. Everything started is ended,
also when a test fails or this process is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bench.cluster_server import ROOT, Server
from bench.cluster_valkey import ClusterValkey
from bench.processes import own_port
from bench.proxy import Kind, Proxy, make_proxy

T = TypeVar("T")

STOP_S = 60.0
"""To kill everything; the kernel does it, so that only a broken machine takes this long."""


class Cluster:
    """Servers with one worker each, the store they share, and the proxy before them.

    processes: how many servers. games: as --games has them. flags: more flags for every server.
    drain_s: each server's. proxy: "nginx", "relay" (ours), or "auto" for nginx where it is.
    folder: for data and logs, kept; without one they go to a temporary folder that is removed.
    module: what `python -m` runs as a server. store_nodes: Valkeys that share the keys.
    """

    def __init__(
        self,
        processes: int = 3,
        *,
        games: Sequence[str] = ("coins",),
        flags: Sequence[str] = (),
        drain_s: float = 10.0,
        proxy: Kind = "auto",
        folder: Path | None = None,
        module: str = "server",
        store_nodes: int = 1,
    ) -> None:
        if processes < 1:
            raise ValueError(f"a cluster has one server or more, not {processes}")
        self.processes = processes
        self.secret = secrets.token_urlsafe(32)
        self.servers: list[Server] = []
        self._games = tuple(games)
        self._flags = tuple(flags)
        self._drain_s = drain_s
        self._kind: Kind = proxy
        self._folder = folder
        self._module = module
        self._store_nodes = store_nodes
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._valkey: ClusterValkey | None = None
        self._proxy: Proxy | None = None

    @property
    def valkey(self) -> ClusterValkey:
        """The store; RuntimeError before the start."""
        return _started(self._valkey)

    @property
    def proxy_port(self) -> int:
        """The port of 127.0.0.1 where players connect."""
        return _started(self._proxy).port

    @property
    def url(self) -> str:
        """The page's address, through the proxy; bots take it too."""
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def ws_url(self) -> str:
        """Where clients connect, through the proxy."""
        return f"ws://127.0.0.1:{self.proxy_port}"

    async def start(self) -> None:
        """Start everything, and wait until every server is ready; on a failure all is ended."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill everything that was started; stopping twice does nothing."""
        async with asyncio.timeout(STOP_S):
            if self._proxy is not None:
                await self._proxy.stop()
            await asyncio.gather(*(server.kill_all() for server in self.servers))
            if self._valkey is not None:
                await self._valkey.kill()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    async def __aenter__(self) -> Cluster:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        folder = self._folder
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="holdfast-cluster-")
            folder = Path(self._temporary.name)
        folder.mkdir(parents=True, exist_ok=True)
        self._valkey = ClusterValkey(folder / "valkey", self._store_nodes)
        await self._valkey.start()
        ports = self._own_ports()
        self._proxy = make_proxy(self._kind, ports, folder / "proxy")
        self.servers = [
            Server(
                number,
                port,
                folder,
                self._all_flags(),
                self._environment(),
                self._drain_s,
                module=self._module,
            )
            for number, port in enumerate(ports, 1)
        ]
        # A server that fails must not leave the others half started behind our back.
        async with asyncio.TaskGroup() as starting:
            for server in self.servers:
                starting.create_task(server.start())
        await self._proxy.start()

    def _own_ports(self) -> list[int]:
        ports: set[int] = set()
        while len(ports) < self.processes:
            ports.add(own_port())
        return sorted(ports)

    def _all_flags(self) -> list[str]:
        # Everybody comes from one address here.
        flags = ["--connections-max", "100000", "--connections-per-address-max", "100000"]
        flags += ["--games", ",".join(self._games), "--store", self.valkey.url]
        if _started(self._proxy).forwards:
            flags += ["--forwarded-position", "-1"]
        return [*flags, *self._flags]

    def _environment(self) -> dict[str, str]:
        """Ours without settings of Holdfast's own, and the secret that all servers share."""
        kept = {k: v for k, v in os.environ.items() if k != "PORT" and k[:9] != "HOLDFAST_"}
        return {**kept, "HOLDFAST_SECRET": self.secret, "PYTHONPATH": str(ROOT)}


def _started(part: T | None) -> T:
    if part is None:
        raise RuntimeError("the cluster was not started: use `start`, or `async with`")
    return part


def main() -> None:
    """Run a cluster until Ctrl-C or SIGTERM, and tell what happens in it."""
    parser = _parser()
    options = parser.parse_args()
    if options.processes < 1:
        parser.error(f"--processes {options.processes}: give 1 or more")
    if options.store_nodes < 1:
        parser.error(f"--store-nodes {options.store_nodes}: give 1 or more")
    flags = ["--open", options.open] if options.open else []
    cluster = Cluster(
        options.processes,
        games=options.games.split(","),
        flags=flags,
        proxy=options.proxy,
        folder=options.folder,
        store_nodes=options.store_nodes,
    )
    wrong: list[BaseException] = []
    try:
        asyncio.run(run(cluster))
    except* (RuntimeError, OSError) as failed:
        wrong.extend(failed.exceptions)
    if wrong:
        raise SystemExit(f"cluster: {wrong[0]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster",
        description="Run a Valkey, servers that share it and a proxy before them until Ctrl-C, and "
        "tell what happens in it.",
    )
    add = parser.add_argument
    add("--processes", type=int, default=3, help="servers, each with one worker (default 3)")
    text = "games, as the server's --games (default coins,arena)"
    add("--games", default="coins,arena", help=text)
    text = "rooms that are kept open, as the server's --open (default coins?bots=2,arena?bots=5)"
    add("--open", default="coins?bots=2,arena?bots=5", help=text)
    text = "Valkeys that share the keys, as a cluster of theirs (default 1)"
    add("--store-nodes", type=int, default=1, help=text)
    text = "nginx, our own relay, or auto for nginx where it is installed (default auto)"
    add("--proxy", choices=("auto", "nginx", "relay"), default="auto", help=text)
    text = "keep data and logs there (default: a temporary folder that is removed)"
    add("--folder", type=Path, help=text)
    return parser


async def run(cluster: Cluster) -> None:
    """Start the cluster, say where it is and what happens in it, until this process is told."""
    # Imported here, since the events look at clusters.
    from bench.cluster_events import tell_events

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with cluster:
        print(f"play at {cluster.url}", flush=True)
        for server in cluster.servers:
            print(f"server {server.number}: log {server.log}", flush=True)
        print(f"store: {cluster.valkey.url}    Ctrl-C ends all", flush=True)
        events = loop.create_task(tell_events(cluster, lambda line: print(line, flush=True)))
        ended = loop.create_task(told.wait())
        await asyncio.wait({events, ended}, return_when=asyncio.FIRST_COMPLETED)
        if events.done():
            await events
        events.cancel()
        ended.cancel()
        await asyncio.gather(events, ended, return_exceptions=True)


if __name__ == "__main__":
    main()
