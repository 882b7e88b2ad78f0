"""What stands before a cluster: nginx and our own relay, each before small servers that echo."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bench.cluster_server import get
from bench.processes import own_port, until
from bench.proxy import Kind, Proxy, end, make_proxy, nginx_program

# nginx is a process of its own: which loop waits for it makes no difference.
one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])
WITHIN_S = 10.0


@pytest.fixture(params=["nginx", "relay"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    if kind == "nginx" and nginx_program() is None:
        why = "there is no nginx: the proxy that operators use is not tested"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return kind


class Backend:
    """Answers requests with its name and what it was sent; an upgrade is echoed byte for byte."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                await end(writer)
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"\r\nupgrade: echo\r\n" in head.lower():
                answer = b"HTTP/1.1 101 Switching Protocols\r\n"
                writer.write(answer + b"Upgrade: echo\r\nConnection: Upgrade\r\n\r\n")
                while some := await reader.read(1024):
                    writer.write(self.name.encode() + b":" + some)
            else:
                body = self.name.encode() + b"\n" + head
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        await end(writer)
        self._writers.discard(writer)


@contextlib.asynccontextmanager
async def proxied(kind: Kind, folder: Path, backends: list[Backend]) -> AsyncGenerator[Proxy, None]:
    for backend in backends:
        await backend.start()
    proxy = make_proxy(kind, [backend.port for backend in backends], folder / "proxy")
    try:
        await proxy.start()
        yield proxy
    finally:
        await proxy.stop()
        for backend in backends:
            await backend.stop()


async def names(proxy: Proxy, count: int) -> Counter[str]:
    """Who answered each of so many connections."""
    answers = [await get(proxy.port, "/", WITHIN_S) for _ in range(count)]
    assert {status for status, _ in answers} == {200}
    return Counter(body.split(b"\n")[0].decode() for _, body in answers)


async def answers(proxy: Proxy, name: str) -> bool:
    """Whether this server is among those that take turns."""
    return name in await names(proxy, 2)


@one_loop
async def test_connections_go_to_each_server_in_turn(kind: Kind, tmp_path: Path) -> None:
    backends = [Backend(name) for name in "abc"]
    async with proxied(kind, tmp_path, backends) as proxy:
        assert await names(proxy, 12) == Counter(a=4, b=4, c=4)


@one_loop
async def test_a_server_that_refuses_is_passed_over_and_taken_again(
    kind: Kind, tmp_path: Path
) -> None:
    backends = [Backend(name) for name in "ab"]
    async with proxied(kind, tmp_path, backends) as proxy:
        await backends[0].stop()
        assert await names(proxy, 6) == Counter(b=6)
        await backends[0].start()
        # nginx tries one that refused again after a second.
        await until(lambda: answers(proxy, "a"), "the server that came back", WITHIN_S)


@one_loop
async def test_without_any_server_a_connection_ends(kind: Kind, tmp_path: Path) -> None:
    backends = [Backend("a")]
    async with proxied(kind, tmp_path, backends) as proxy:
        assert await names(proxy, 1) == Counter(a=1)
        await backends[0].stop()
        if kind == "nginx":
            assert (await get(proxy.port, "/", WITHIN_S))[0] == 502
        else:
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await get(proxy.port, "/", WITHIN_S)


@one_loop
async def test_an_upgrade_is_passed_on_and_stays_with_its_server(
    kind: Kind, tmp_path: Path
) -> None:
    backends = [Backend(name) for name in "ab"]
    async with proxied(kind, tmp_path, backends) as proxy, asyncio.timeout(WITHIN_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).split()[1] == b"101"
        await reader.readuntil(b"\r\n\r\n")
        for sent in (b"\x00\xff", b"two"):
            writer.write(sent)
            assert await reader.readexactly(2 + len(sent)) == b"a:" + sent
            await names(proxy, 1)
        await end(writer)


@one_loop
async def test_nginx_says_where_a_connection_came_from(tmp_path: Path) -> None:
    if nginx_program() is None:
        pytest.skip("there is no nginx")
    async with proxied("nginx", tmp_path, [Backend("a")]) as proxy:
        assert proxy.forwards
        _, body = await get(proxy.port, "/", WITHIN_S)
        assert b"X-Forwarded-For: 127.0.0.1\r\n" in body
        assert f"Host: 127.0.0.1:{proxy.port}\r\n".encode() in body


@one_loop
async def test_a_proxy_that_stopped_leaves_nothing(kind: Kind, tmp_path: Path) -> None:
    async with proxied(kind, tmp_path, [Backend("a")]) as proxy:
        port = proxy.port
        await names(proxy, 1)
    with pytest.raises(OSError, match=r"refused|failed"):
        await get(port, "/", WITHIN_S)
    await proxy.stop()


def test_auto_is_nginx_where_it_is(tmp_path: Path) -> None:
    made = make_proxy("auto", [own_port()], tmp_path)
    assert made.forwards is (nginx_program() is not None)


def test_an_nginx_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="nginx-light"):
        make_proxy("nginx", [own_port()], tmp_path, lambda: None)
    assert not make_proxy("auto", [own_port()], tmp_path, lambda: None).forwards
