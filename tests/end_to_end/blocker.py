"""A proxy that lets no WebSocket through: it hangs up on whoever asks for an upgrade."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator


class Blocker:
    """Passes requests on to a port of this machine; `blocks` says whether upgrades are refused."""

    def __init__(self, to: int) -> None:
        self.blocks = True
        self.blocked = 0
        self.url = ""
        self._to = to

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.blocks and b"\nupgrade:" in head.lower():
                self.blocked += 1
            else:
                there, onward = await asyncio.open_connection("127.0.0.1", self._to)
                onward.write(head)
                await asyncio.gather(_pipe(reader, onward), _pipe(there, writer))
        writer.close()


@contextlib.asynccontextmanager
async def blocking(to: int) -> AsyncGenerator[Blocker, None]:
    """Such a proxy before a port of this machine."""
    blocker = Blocker(to)
    server = await asyncio.start_server(blocker.talk, "127.0.0.1", 0)
    blocker.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield blocker
    finally:
        server.close()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
