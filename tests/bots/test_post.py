"""Posting over one kept connection: what is answered, and what is said where nothing good is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from bots.polling import poll_url
from bots.post import ANSWER_BYTES_MAX, Poster, Refused
from bots.websocket import Unreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Scripted:
    """A server that answers each request with the next of some bytes."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                writer.write(answer)
                await writer.drain()
                if b"onnection: close" in answer or not answer:
                    break
        writer.close()


@contextlib.asynccontextmanager
async def scripted(*answers: bytes) -> AsyncGenerator[Scripted, None]:
    script = Scripted(*answers)
    server = await asyncio.start_server(script.talk, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/poll"
    try:
        yield script
    finally:
        server.close()


async def test_one_connection_carries_request_after_request() -> None:
    async with scripted(OK, OK, OK) as script:
        poster = Poster(script.url)
        assert [await poster.post(b"a" * n, "?x=1" * (n == 2)) for n in range(3)] == [b"hi"] * 3
        assert script.connections == 1
        assert script.requests[0].startswith(b"POST /poll HTTP/1.1\r\n")
        assert script.requests[2].startswith(b"POST /poll?x=1 HTTP/1.1\r\n")
        assert script.requests[2].endswith(b"\r\n\r\naa")
        poster.close()


async def test_a_connection_that_the_server_ends_is_opened_anew() -> None:
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with scripted(last, last) as script:
        poster = Poster(script.url)
        assert [await poster.post(b""), await poster.post(b"")] == [b"hi"] * 2
        assert script.connections == 2
        poster.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 503 no\r\nContent-Length: 4\r\n\r\nbusy", "answered 503 busy"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "illegal status line"),
        (b"", "ended before the answer came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhi", "without sending"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * ANSWER_BYTES_MAX)
            + bytes(2 * ANSWER_BYTES_MAX),
            "an answer beyond",
        ),
    ],
)
async def test_what_is_no_answer_is_told_as_such(answer: bytes, told: str) -> None:
    async with scripted(answer) as script:
        poster = Poster(script.url)
        with pytest.raises(Unreachable, match=told):
            await poster.post(b"")
        poster.close()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, b"not from here", "not from here"),
        (404, b"<html>a proxy</html>", "the server answered 404"),
        (429, b"slowly", None),
        (503, b"full", None),
    ],
)
async def test_only_a_refusal_for_good_is_one(status: int, body: bytes, told: str | None) -> None:
    answer = b"HTTP/1.1 %d no\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    async with scripted(answer) as script:
        poster = Poster(script.url)
        with pytest.raises(Unreachable) as raised:
            await poster.post(b"")
        assert isinstance(raised.value, Refused) is (told is not None)
        assert told in (None, str(raised.value))
        poster.close()


async def test_nobody_there_is_told_as_such() -> None:
    async with scripted() as script:
        url = script.url
    with pytest.raises(Unreachable, match="connection refused"):
        await Poster(url).post(b"")


@pytest.mark.parametrize(
    ("played", "polled"),
    [
        ("ws://host:8080/play", "http://host:8080/poll"),
        ("wss://host/play?line=bad", "https://host/poll"),
        ("wss://host/games/play", "https://host/games/poll"),
    ],
)
def test_polls_go_beside_the_websocket(played: str, polled: str) -> None:
    assert poll_url(played) == polled
