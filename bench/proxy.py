"""What stands in front of a cluster: one port, each connection to the next server in turn.

There is no affinity, as behind a balancer that promises none. `Nginx` is what operators use, run
from a folder of its own by any user; `RelayProxy` is ours and needs nothing, for development: it
carries bytes and adds no header. Both pass over servers that refuse the connection. A server
that accepts and stays silent, as a paused one does, is waited for: that is left to clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from bench.processes import Child, own_port, until

Kind = Literal["auto", "nginx", "relay"]
End = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CONNECT_S = 1.0
END_S = 1.0
CHUNK_BYTES = 64 * 1024
START_TRIES = 5

CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log nginx.log warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $http_upgrade $connection_header {{ default upgrade; '' close; }}
  upstream servers {{
    {servers}
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_buffering off;
      proxy_connect_timeout 1s;
      proxy_read_timeout 1d;
      proxy_send_timeout 1d;
    }}
  }}
}}
"""


class Proxy(Protocol):
    """A proxy on a port of 127.0.0.1."""

    port: int
    forwards: bool
    """Whether it says in X-Forwarded-For where a connection came from."""

    async def start(self) -> None:
        """Listen; raises RuntimeError with what it said when it does not come up."""
        ...

    async def stop(self) -> None:
        """End it and every connection through it; stopping twice does nothing."""
        ...


def nginx_program() -> str | None:
    """Where nginx is, or None; distributions keep it out of a user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def make_proxy(
    kind: Kind,
    backends: Sequence[int],
    folder: Path,
    find: Callable[[], str | None] = nginx_program,
) -> Proxy:
    """A proxy before these ports of 127.0.0.1; "auto" is nginx where it is installed.

    Raises RuntimeError when nginx is asked for and missing.
    """
    program = find()
    if kind == "relay" or (kind == "auto" and program is None):
        return RelayProxy(backends)
    if program is None:
        raise RuntimeError("there is no nginx: install it (Debian: nginx-light), or take 'relay'")
    return Nginx(program, backends, folder)


class Nginx:
    """nginx with a configuration written for these servers."""

    forwards = True

    def __init__(self, program: str, backends: Sequence[int], folder: Path) -> None:
        self.port = 0
        self._program = program
        self._backends = tuple(backends)
        self._folder = folder
        self._child: Child | None = None

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(START_TRIES):
            if await self._started_on(own_port()):
                return
        raise RuntimeError("nginx found no port of its own")

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.kill()

    async def _started_on(self, port: int) -> bool:
        self.port = port
        # One that refused is tried again after a second, as it may have come back by then.
        servers = "\n    ".join(
            f"server 127.0.0.1:{backend} max_fails=1 fail_timeout=1s;" for backend in self._backends
        )
        config = self._folder / "nginx.conf"
        config.write_text(CONFIG.format(servers=servers, port=port), encoding="utf-8")
        command = [self._program, "-p", str(self._folder), "-c", str(config)]
        child = self._child = Child(command, self._folder, self._folder / "nginx.out")
        child.start()
        await until(lambda: not child.alive or accepts(port), "nginx")
        if child.alive:
            return True
        if "Address already in use" not in child.written():
            raise RuntimeError(f"nginx did not start: {child.written().strip()[-500:]}")
        return False


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


class RelayProxy:
    """Bytes carried both ways within this process."""

    forwards = False

    def __init__(self, backends: Sequence[int]) -> None:
        self.port = 0
        self._backends = tuple(backends)
        self._next = 0
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reached = await self._reach()
            if reached is not None:
                await relay((reader, writer), reached)
        finally:
            await end(writer)

    async def _reach(self) -> End | None:
        """A connection to the next server that takes one; None when all refuse."""
        for _ in self._backends:
            port = self._backends[self._next % len(self._backends)]
            self._next += 1
            with contextlib.suppress(OSError):
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection("127.0.0.1", port)
        return None


async def relay(one: End, other: End) -> None:
    """Carry bytes both ways until either end is over, which ends the other."""
    loop = asyncio.get_running_loop()
    ways = {
        loop.create_task(pump(one[0], other[1])),
        loop.create_task(pump(other[0], one[1])),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await end(other[1])


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until the sender ends or the receiver is gone."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection once what was written is sent; abort it where that takes long."""
    writer.close()
    try:
        async with asyncio.timeout(END_S):
            await writer.wait_closed()
    except OSError:
        # A TimeoutError is one, too.
        writer.transport.abort()
