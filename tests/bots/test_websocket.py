"""The bots' own reading of frames, beside the library's, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from random import Random

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from bots.websocket import MESSAGE_BYTES_MAX, Socket, Unreachable, open_websocket
from shared.messages import SUBPROTOCOL
from tests.bots.arena import Arena

Talk = Callable[[ServerConnection], Awaitable[None]]


class Ear:
    """Keeps what came."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.end: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def message(self, payload: bytes) -> None:
        self.messages.append(payload)

    def ended(self, code: int, reason: str) -> None:
        self.end.set_result((code, reason))


@contextlib.asynccontextmanager
async def talking(talk: Talk) -> AsyncGenerator[int]:
    """A server that runs `talk` for each connection; its port."""
    async with serve(
        talk,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        max_size=None,
        close_timeout=0.2,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def heard(talk: Talk, through: Callable[[int], Awaitable[int]] | None = None) -> Ear:
    """What a client hears of a server that talks and then closes."""
    async with talking(talk) as port:
        ear = Ear()
        at = await through(port) if through else port
        await open_websocket(f"ws://127.0.0.1:{at}/play", ear)
        await asyncio.wait_for(asyncio.shield(ear.end), 10)
        return ear


SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 300_000]


async def test_messages_of_every_length_arrive_whole_and_in_order() -> None:
    sent = [os.urandom(size) for size in SIZES]

    async def talk(socket: ServerConnection) -> None:
        for payload in sent:
            await socket.send(payload)

    ear = await heard(talk)
    assert ear.messages == sent
    assert await ear.end == (1000, "")


async def test_messages_of_every_length_are_sent_whole() -> None:
    sent = [os.urandom(size) for size in SIZES]
    got: list[bytes | str] = []

    async def talk(socket: ServerConnection) -> None:
        got.extend([await socket.recv() for _ in sent])

    async with talking(talk) as port:
        ear = Ear()
        socket = await open_websocket(f"ws://127.0.0.1:{port}/play", ear)
        for payload in sent:
            socket.send(payload)
        await asyncio.wait_for(asyncio.shield(ear.end), 10)
    assert got == sent
    socket.send(b"after the end")


async def test_fragments_pings_and_cuts_change_nothing() -> None:
    rng = Random(11)
    wanted = [rng.randbytes(rng.choice([3, 90, 200, 70_000])) for _ in range(40)]

    async def talk(socket: ServerConnection) -> None:
        for payload in wanted:
            if rng.random() < 0.4:
                cut = len(payload) // 3
                await socket.send([payload[:cut], payload[cut : 2 * cut], payload[2 * cut :]])
            else:
                await socket.send(payload)
            if rng.random() < 0.3:
                await (await socket.ping())
            if rng.random() < 0.2:
                await socket.send("text is not for us")
        await socket.close(4409, "enough")

    tasks: list[asyncio.Task[None]] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, cut: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                while data:
                    size = rng.choice([1, 2, 3, 7, 50, 5_000, 40_000]) if cut else len(data)
                    sink.write(data[:size])
                    data = data[size:]
                    await asyncio.sleep(0)
            sink.close()

    async def relay(port: int) -> int:
        async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            tasks.append(asyncio.ensure_future(pump(reader, far_writer, False)))
            tasks.append(asyncio.ensure_future(pump(far_reader, writer, True)))

        server = await asyncio.start_server(both, "127.0.0.1", 0)
        servers.append(server)
        port_: int = server.sockets[0].getsockname()[1]
        return port_

    servers: list[asyncio.Server] = []
    ear = await heard(talk, relay)
    assert ear.messages == wanted
    assert await ear.end == (4409, "enough")
    await asyncio.gather(*tasks)
    servers[0].close()


async def test_a_message_longer_than_the_limit_ends_the_connection() -> None:
    ended: list[int | None] = []

    async def talk(socket: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            await socket.send(bytes(MESSAGE_BYTES_MAX + 1000))
        await socket.wait_closed()
        ended.append(socket.close_code)

    ear = await heard(talk)
    assert ear.messages == []
    assert ended in ([1009], [])


async def test_a_lost_socket_ends_with_1006() -> None:
    async def talk(socket: ServerConnection) -> None:
        socket.transport.abort()

    assert await (await heard(talk)).end == (1006, "")


async def test_our_close_is_answered_or_cut_short() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with talking(talk) as port:
        ear = Ear()
        socket = await open_websocket(f"ws://127.0.0.1:{port}/play", ear)
        socket.close()
        socket.close()
        assert await asyncio.wait_for(ear.end, 10) == (1000, "")


async def refused(url: str) -> str:
    with pytest.raises(Unreachable) as caught:
        await open_websocket(url, Ear())
    return str(caught.value)


async def test_what_is_no_server_of_ours_is_named(arena: Arena) -> None:
    assert "404 Not Found" in await refused(arena.url.replace("/play", "/elsewhere"))

    async def talk(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(talk, "127.0.0.1", 0, close_timeout=0.2) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        assert SUBPROTOCOL in await refused(f"ws://127.0.0.1:{port}/play")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"x" * 70_000])
async def test_strangers_are_not_taken_for_a_server(answer: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert f"ws://127.0.0.1:{port}/play: " in await refused(f"ws://127.0.0.1:{port}/play")
    server.close()
    await server.wait_closed()
    assert "refused" in (await refused(f"ws://127.0.0.1:{port}/play")).lower()


def test_the_real_socket_is_one() -> None:
    from bots.websocket import WebSocket

    kind: type[Socket] = WebSocket
    assert kind.send is not None


async def test_who_gives_up_waiting_leaves_no_socket_open() -> None:
    """A renewal is cancelled when its session ends, maybe while its socket is opening."""
    closed = asyncio.Event()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        opening = asyncio.ensure_future(open_websocket(f"ws://127.0.0.1:{port}/play", _Nobody()))
        await asyncio.sleep(0.1)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        async with asyncio.timeout(10):
            await closed.wait()


class _Nobody:
    def message(self, payload: bytes) -> None:
        raise AssertionError("nothing comes")

    def ended(self, code: int, reason: str) -> None:
        """Nobody is told."""
