"""Sockets that say too much, too little, too slowly or the wrong thing, and their answers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.end_to_end.client import (
    BINARY,
    CONTINUED,
    INPUT,
    JOIN,
    PING,
    Client,
    connected,
    frame,
    pack,
)
from tests.end_to_end.server import ROOT, Server
from tests.end_to_end.witness import unharmed

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

MESSAGE_BYTES_MAX = 16_384
Misbehave = Callable[[Client], Awaitable[object]]


async def write(client: Client, *frames: bytes) -> None:
    client.write(b"".join(frames))


async def flood(client: Client, count: int, *items_of: Callable[[int], list[Any]]) -> None:
    """Messages without a pause between them, each an INPUT with these items."""
    payloads = (pack(INPUT, 0, *(make(n) for make in items_of)) for n in range(1, count + 1))
    client.write(b"".join(frame(BINARY, payload) for payload in payloads))


def nth_of_many(k: int) -> Callable[[int], list[Any]]:
    """The k-th of 64 items of the n-th message."""
    return lambda n: [64 * n - 64 + k, None]


LOUD: dict[str, tuple[Misbehave, int, str]] = {
    "oversized": (
        lambda c: c.say(bytes(MESSAGE_BYTES_MAX + 1)),
        1009,
        "exceeds limit of 16384 bytes",
    ),
    "announced oversized": (
        lambda c: write(c, b"\x82\xff" + (1 << 62).to_bytes(8) + bytes(4)),
        1009,
        "exceeds limit of 16384 bytes",
    ),
    "oversized in fragments": (
        lambda c: write(
            c,
            frame(BINARY, bytes(9000), fin=False),
            frame(CONTINUED, bytes(9000), fin=False),
        ),
        1009,
        "exceeds limit of 16384 bytes",
    ),
    "text": (lambda c: c.say("hello"), 1003, "binary only: messages are msgpack, not text"),
    "unmasked": (lambda c: write(c, b"\x82\x01\xc0"), 1002, "incorrect masking"),
    "reserved bits": (lambda c: write(c, b"\xc2\x80" + bytes(4)), 1002, "reserved bits"),
    "unknown opcode": (lambda c: write(c, frame(0x3)), 1002, "invalid opcode"),
    "continuing nothing": (lambda c: write(c, frame(CONTINUED)), 1002, "unexpected continuation"),
    "fragmented ping": (lambda c: write(c, frame(PING, fin=False)), 1002, "fragmented control"),
    "long ping": (lambda c: write(c, frame(PING, bytes(126))), 1002, "control frame too long"),
    "pings": (lambda c: write(c, frame(PING) * 2000), 1008, "too many control frames a second"),
    "fragments": (
        lambda c: write(c, frame(BINARY, fin=False), frame(CONTINUED, fin=False) * 5000),
        1008,
        "too many frames a second",
    ),
    # Too fast, or too many that wait: which is noticed first, the room's ticks decide.
    "inputs": (lambda c: flood(c, 2000, lambda n: [n, [1, 0]]), 4429, " inputs "),
    "inputs in few messages": (
        lambda c: flood(c, 20, *map(nth_of_many, range(1, 65))),
        4429,
        "more than 160 inputs a second",
    ),
    "empty reports": (lambda c: flood(c, 2000), 4429, "more than 150 messages a second"),
}


@pytest.mark.parametrize("name", LOUD)
async def test_who_says_too_much_or_the_wrong_thing(server: Server, name: str) -> None:
    misbehave, code, reason = LOUD[name]
    async with unharmed(server) as witness, connected(server) as client:
        await client.join(room=witness.seat.room)
        await misbehave(client)
        ending = await client.ended()
        assert (ending.code, reason in ending.reason) == (code, True), ending
        if ending.close is not None:
            assert ending.close[1:3] == [code, ending.reason]


async def test_the_longest_message_is_taken(server: Server) -> None:
    async with unharmed(server), connected(server) as client:
        await client.say(pack(JOIN, b"", "x" * (MESSAGE_BYTES_MAX - 7)))
        assert (await client.ended()).code == 4400


async def test_fragments_make_a_message(server: Server) -> None:
    async with unharmed(server), connected(server) as client:
        join = pack(JOIN, os.urandom(16), "yard", {}, "pieces", 0, None, "")
        client.write(frame(BINARY, join[:1], fin=False) + frame(PING, b"in between"))
        client.write(b"".join(frame(CONTINUED, join[i : i + 1], fin=False) for i in range(1, 30)))
        client.write(frame(CONTINUED, join[30:]))
        assert (await client.welcomed()).player > 0


async def test_a_hundred_tabs_of_one_address_have_a_seat_each(server: Server) -> None:
    async with unharmed(server), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server)) for _ in range(100)]
        seats = await asyncio.gather(*(client.join("coins") for client in clients))
        assert len({(seat.room, seat.player) for seat in seats}) == 100
        assert max(Counter(seat.room for seat in seats).values()) <= 16


@pytest.mark.slow
async def test_who_never_speaks_or_a_byte_a_second(server: Server) -> None:
    async with unharmed(server), asyncio.TaskGroup() as group:
        group.create_task(says_nothing(server))
        group.create_task(says_a_byte_a_second(server))
        group.create_task(opens_nothing(server))
        group.create_task(opens_a_byte_a_second(server))


async def says_nothing(server: Server) -> None:
    async with connected(server) as client:
        ending = await client.ended()
    reason = "no JOIN or RESUME came within 5 s"
    assert (ending.code, ending.reason) == (4408, reason)
    # To come back, with something to say, is welcome.
    assert ending.close == [22, 4408, reason, 1000]


async def says_a_byte_a_second(server: Server) -> None:
    async with connected(server) as client:
        speaking = asyncio.ensure_future(trickle(client.write, frame(BINARY, bytes(100))))
        assert (await client.ended()).code == 4408
        speaking.cancel()


async def opens_nothing(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert await reader.read() == b""
    writer.close()


async def opens_a_byte_a_second(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    speaking = asyncio.ensure_future(trickle(writer.write, b"GET /play HTTP/1.1\r\nHost: x\r\n"))
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b"the request did not arrive in time\n")
    speaking.cancel()
    writer.close()


async def trickle(send: Callable[[bytes], object], data: bytes) -> None:
    for at in range(len(data)):
        send(data[at : at + 1])
        await asyncio.sleep(1)


async def test_a_subprotocol_of_another_version_is_refused(server: Server) -> None:
    async with unharmed(server):
        status, sentence = await turned_away(server, subprotocol="holdfast.2")
    assert (status, sentence) == (
        400,
        "the subprotocol holdfast.1 is required; offer it when connecting",
    )


@pytest.mark.parametrize("path", ["/", "/play/", "/play/../play", "/PLAY", "/%70lay", "/api/rooms"])
async def test_another_path_is_refused(server: Server, path: str) -> None:
    async with unharmed(server):
        status, sentence = await turned_away(server, path=path)
    assert (status, sentence) == (404, "WebSockets are served at /play only")


FOREIGN = (
    "http://evil.example",
    "http://evil.example:{port}",
    "http://127.0.0.1",
    "http://127.0.0.1:1{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1.evil.example:{port}",
    "http://evil.example/http://127.0.0.1:{port}",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example#http://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}",
    "http://127.1:{port}",
    "http://[::1]:{port}",
    "http://127.0.0.1:{port}, http://evil.example",
    "ftp://127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "file://",
    "null",
)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_another_origin_is_refused(server: Server, origin: str) -> None:
    async with unharmed(server):
        status, sentence = await turned_away(server, origin=origin.format(port=server.port))
    assert status == 403
    assert sentence.startswith("pages from this origin may not connect; the server's list")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "HTTPS://127.0.0.1:{port}"])
async def test_a_page_of_this_server_may_connect(server: Server, origin: str) -> None:
    async with connected(server, origin=origin.format(port=server.port)) as client:
        assert (await client.join()).player > 0


async def turned_away(server: Server, **how: Any) -> tuple[int, str]:
    """Status and sentence of a handshake that must be refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with connected(server, **how):
            pass
    answer = caught.value.response
    return answer.status_code, (answer.body or b"").decode().strip()


SECRETS = ("server/core/tokens.py", "pyproject.toml", "holdfast.py")
DETOURS = (
    "../",
    "%2e%2e/",
    "..%2f",
    "%2e%2e%2f",
    "..%5c",
    "..\\",
    "....//",
    "%252e%252e%252f",
    "./../",
)
STARTS = ("/client/", "/client/page/", "/")


@pytest.mark.parametrize("start", STARTS)
async def test_a_path_leads_nowhere_but_to_pages(server: Server, start: str) -> None:
    wanted = [*SECRETS, str(ROOT / "pyproject.toml"), "etc/passwd", ".git/config"]
    paths = [start + detour * depth + name for detour in DETOURS for depth in range(5)
             for name in wanted]  # fmt: skip
    async with unharmed(server):
        answers = await asyncio.to_thread(lambda: {path: server.get(path)[0] for path in paths})
    assert {path: status for path, status in answers.items() if status not in {400, 404}} == {}
    # The same server does give what it should.
    assert server.get("/client/page/index.html")[0] == 200


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_who_never_reads_is_skipped_and_then_sent_away(server: Server) -> None:
    """What one reader does not take is bounded by its buffers, not by how long it sleeps."""
    async with unharmed(server):
        before = server.metrics()
        async with asyncio.TaskGroup() as group:
            group.create_task(never_reports(server))
            group.create_task(never_reads(server))
        after = server.metrics()
    # More than half a minute of frames was left out, of one reader, at 20 a second.
    assert after["frames_skipped_total"] - before["frames_skipped_total"] > 600
    # Forty-five seconds of the crowd are some twelve million bytes.
    assert after["frame_bytes_total"] - before["frame_bytes_total"] < 1_500_000


async def never_reports(server: Server) -> None:
    """Read everything and say nothing."""
    async with connected(server) as client:
        await client.join("coins", private=True)
        ending = await client.ended(60)
    reason = "no frame was read, or no tick held reported, for 45 s"
    assert (ending.code, ending.reason) == (4431, reason)
    assert ending.close is not None
    assert ending.close[3] is not None, "a slow reader may come back"


async def never_reads(server: Server) -> None:
    """Join the crowd with little room for its frames, take none, and pretend to."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        async with connected(server, sock=sock, max_queue=1) as client:
            await client.join("crowd")
            tick = client.tick
            listed = server.rooms("crowd")
            seated_tick = 0
            # The room ends two seconds after its last connection.
            while listed:
                seated_tick = listed[0]["tick"]
                assert seated_tick < 20 * 70, "still seated after 70 s"
                client.write(frame(BINARY, pack(INPUT, tick)))
                await asyncio.sleep(0.5)
                listed = await asyncio.to_thread(server.rooms, "crowd")
            assert seated_tick > 20 * 45, "sent away before it was due"
