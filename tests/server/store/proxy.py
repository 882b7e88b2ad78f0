"""A TCP proxy that a test puts between a store and its Redis, to lose what it likes on the way."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator


class Proxy:
    """Passes bytes on, while `answering` and `asking` say so.

    Answers that come when they should not are thrown away; questions wait until they may go on.
    """

    def __init__(self, port_behind: int) -> None:
        self.port = 0
        self.connections = 0
        self.answering = True
        self.asking = asyncio.Event()
        self.asking.set()
        self._port_behind = port_behind
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Reset every connection to the store; those to the Redis stay until they are read out."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until both of its directions have ended."""
        self.connections += 1
        self._writers.add(writer)
        there, back = await asyncio.open_connection("127.0.0.1", self._port_behind)
        try:
            await asyncio.gather(self._questions(reader, back), self._answers(there, writer))
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            for each in (writer, back):
                each.transport.abort()

    async def _questions(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.asking.wait()
                back.write(data)
                await back.drain()
        back.write_eof()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(65536):
            if self.answering:
                with contextlib.suppress(ConnectionError):
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def proxied(port_behind: int, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Proxy]:
    """A proxy to a local port for the time of the block; with `tls`, it speaks TLS in front."""
    proxy = Proxy(port_behind)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.asking.set()
        proxy.cut()
        # Connections that are being carried end by themselves, now that both sides are gone.
        await asyncio.sleep(0.05)
