"""Posts bodies to one URL over one kept connection, with h11 and asyncio's streams."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

import h11

from shared.limits import FRAME_BYTES_MAX, PART_BYTES, REASON_CHARS_MAX

from .websocket import OPEN_TIMEOUT_S, Unreachable

# A poll's answer holds its frame whole, and a few short messages.
ANSWER_BYTES_MAX = FRAME_BYTES_MAX + 16 * PART_BYTES
# A server that holds a request for longer than proxies allow is not waited for.
ANSWER_TIMEOUT_S = 30.0
# Statuses below 500 that a later try may not meet: the server is slow, or asked too often.
PASSING = (408, 425, 429)
_READ_BYTES = 64 * 1024


class Refused(Unreachable):
    """The server's HTTP side will not have this client; the text is its own."""


class Poster:
    """A kept connection to an http or https URL; `post` opens it anew where the server ended it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._path = parts.path
        self._authority = parts.netloc.rpartition("@")[2]
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._machine = h11.Connection(h11.CLIENT)

    async def open(self) -> None:
        """Connect; `Unreachable` says why not."""
        context = ssl.create_default_context() if self._secure else None
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, ssl=context
                )
        except TimeoutError:
            raise Unreachable(f"{self._url}: no answer within {OPEN_TIMEOUT_S:g} s") from None
        except ConnectionRefusedError:
            raise Unreachable(f"{self._url}: connection refused") from None
        except OSError as error:
            raise Unreachable(f"{self._url}: {error.strerror or error}") from None
        self._machine = h11.Connection(h11.CLIENT)

    async def post(self, body: bytes, query: str = "") -> bytes:
        """The body of the answer; `Unreachable` for no answer, or one that is not 200.

        `query` is put behind the URL, with its question mark.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                if self._writer is None:
                    await self.open()
                return await self._exchange(body, query)
        except TimeoutError:
            raise Unreachable(f"{self._url}: no answer within {ANSWER_TIMEOUT_S:g} s") from None
        except (h11.RemoteProtocolError, OSError) as error:
            self.close()
            if isinstance(error, Unreachable):
                raise
            raise Unreachable(f"{self._url}: {str(error) or type(error).__name__}") from None

    def close(self) -> None:
        """Let go of the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, body: bytes, query: str) -> bytes:
        machine, reader, writer = self._machine, self._reader, self._writer
        assert reader is not None
        assert writer is not None
        head = [
            ("Host", self._authority),
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(len(body))),
        ]
        request = h11.Request(method="POST", target=self._path + query, headers=head)
        pieces = (request, h11.Data(data=body), h11.EndOfMessage())
        writer.write(b"".join(machine.send(piece) or b"" for piece in pieces))
        status, found = 0, bytearray()
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(_READ_BYTES)
                if not data and not status:
                    raise Unreachable(f"{self._url}: the connection ended before the answer came")
                machine.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                found += event.data
                if len(found) > ANSWER_BYTES_MAX:
                    raise Unreachable(f"{self._url}: an answer beyond {ANSWER_BYTES_MAX} bytes")
            elif isinstance(event, h11.EndOfMessage):
                break
        if machine.our_state is h11.DONE and machine.their_state is h11.DONE:
            machine.start_next_cycle()
        else:
            self.close()
        if status != 200:
            told = bytes(found[:REASON_CHARS_MAX]).decode("utf-8", "replace").strip()
            if 400 <= status < 500 and status not in PASSING:
                # A proxy answers with a page of its own.
                plain = told and not told.startswith("<")
                raise Refused(told if plain else f"the server answered {status}")
            raise Unreachable(f"{self._url}: answered {status} {told}")
        return bytes(found)
