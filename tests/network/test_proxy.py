"""The proxy over real sockets: bytes whole and in order, and each knob felt.

Times are asserted from below only: a busy machine makes everything later, never earlier.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from server.core.line import PLAIN, Knobs
from tests.network.proxy import Proxy, proxied

SHAKY = Knobs(latency_ms=2, jitter_ms=5, loss_percent=3, stall_ms=5, bytes_per_s=8e6)


@asynccontextmanager
async def echo() -> AsyncGenerator[int]:
    """A port that says back what it hears, and ends when its caller does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def through(
    scenario: Callable[
        [Proxy, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]
    ],
    up: Knobs = PLAIN,
    down: Knobs = PLAIN,
) -> None:
    """Run a scenario on one connection through a proxy to an echo."""

    async def run() -> None:
        async with echo() as port, proxied(port, seed=7, up=up, down=down) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            try:
                async with asyncio.timeout(60):
                    await scenario(proxy, reader, writer)
            finally:
                writer.transport.abort()
                await asyncio.sleep(0)

    asyncio.run(run())


async def round_trip_s(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    now = asyncio.get_running_loop().time
    began = now()
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    return now() - began


@pytest.mark.parametrize("knobs", [PLAIN, SHAKY])
def test_a_megabyte_comes_back_whole_and_ends_where_it_ended(knobs: Knobs) -> None:
    data = Random(3).randbytes(1_000_000)

    async def scenario(
        _: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def send() -> None:
            for at in range(0, len(data), 10_000):
                writer.write(data[at : at + 10_000])
                await writer.drain()
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        back = await reader.read(-1)
        await sending
        assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()

    through(scenario, knobs, knobs)


def test_latency_is_of_each_direction() -> None:
    async def scenario(
        proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assert await round_trip_s(reader, writer) >= 0.06
        proxy.tune(down=PLAIN)
        assert await round_trip_s(reader, writer) >= 0.02
        proxy.tune(up=PLAIN)
        assert min([await round_trip_s(reader, writer) for _ in range(20)]) < 0.02

    through(scenario, Knobs(latency_ms=20), Knobs(latency_ms=40))


def test_bandwidth_bounds_what_comes_through_and_what_is_read_ahead() -> None:
    async def scenario(
        _: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        writer.write(bytes(50_000))
        await reader.readexactly(50_000)
        assert now() - began >= 0.2

    through(scenario, up=Knobs(bytes_per_s=250_000))


def test_a_dark_line_is_open_and_silent_and_goes_on_where_it_stopped() -> None:
    async def scenario(
        proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        proxy.tune(down=Knobs(dark=1))
        writer.write(b"one")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        proxy.tune(down=PLAIN)
        assert await reader.readexactly(3) == b"one"

    through(scenario)


def test_a_cut_resets_both_ends_at_once_or_after_a_time() -> None:
    async def scenario(
        proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assert await round_trip_s(reader, writer) > 0
        proxy.cut()
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        proxy.tune(up=Knobs(cut_after_s=0.05))
        again, other = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionError):
            await again.readexactly(1)
        other.transport.abort()
        assert proxy.connections == 2

    through(scenario)
