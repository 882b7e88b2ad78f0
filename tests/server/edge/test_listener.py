"""Who may connect and how many, the timer, and the end of a process."""

from __future__ import annotations

import asyncio

import pytest

from server.edge.limits import EdgeLimits
from server.edge.request import Request, Response
from shared.errors import ConfigError
from tests.server.edge.rig import Clock, Raw, Rig, describe, frame, make, serving, until, upgrade

GET = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def forwarded(address: str) -> bytes:
    return upgrade("/play", "holdfast.1", f"X-Forwarded-For: {address}")


async def handshake(rig: Rig, request: bytes) -> tuple[Raw, int]:
    raw = await rig.connect()
    raw.writer.write(request)
    head = await raw.reader.readuntil(b"\r\n\r\n")
    return raw, int(head.split()[1])


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_first_bytes_decide_between_websocket_and_http(method: str) -> None:
    async with serving(make()) as rig:
        assert (await rig.ask(GET.replace(b"GET", method.encode()))).startswith(b"HTTP/1.1 200")
        raw = await rig.open()
        assert (rig.listener.counters.opened, rig.listener.counters.requests) == (1, 1)
        await raw.close()
        await until(lambda: rig.listener.counters.open_now == 0)
        assert rig.listener.counters.closed == 1


async def test_frames_right_behind_the_head_are_not_lost() -> None:
    rig = make()
    wire = rig.wire()
    wire.feed(upgrade() + frame(2, b"early")[:3])
    wire.feed(frame(2, b"early")[3:])
    assert rig.echoes[0].messages == [b"early"]


async def test_full_process_refuses_websockets_and_answers_health() -> None:
    async with serving(make(EdgeLimits(connections_max=2))) as rig:
        open_ones = [await rig.open() for _ in range(2)]
        answer = await rig.ask(upgrade())
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5" in answer
        assert b"takes no more players" in answer
        assert (await rig.ask(GET)).startswith(b"HTTP/1.1 200")
        await open_ones.pop().close()
        await until(lambda: rig.listener.counters.open_now == 1)
        open_ones.append(await rig.open())
        for raw in open_ones:
            await raw.close()
        assert rig.listener.counters.refused_full == 1


async def test_sockets_that_say_nothing_are_bounded() -> None:
    limits = EdgeLimits(http_connections_max=5, connections_per_address_max=100)
    async with serving(make(limits)) as rig:
        silent = [await rig.connect() for _ in range(20)]
        await until(lambda: rig.listener.counters.refused_full == 15)
        assert rig.listener.counters.http_now <= 5
        for raw in silent:
            await raw.close()
        await until(lambda: rig.listener.counters.http_now == 0)
        assert (await rig.ask(GET)).startswith(b"HTTP/1.1 200")


async def test_one_address_is_limited_and_told_so() -> None:
    async with serving(make(EdgeLimits(connections_per_address_max=3))) as rig:
        raws = [await rig.open() for _ in range(3)]
        answer = await rig.ask(upgrade())
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"too many connections" in answer
        assert (await rig.ask(GET)).startswith(b"HTTP/1.1 429 ")
        await raws.pop().close()
        await until(lambda: rig.listener.counters.open_now == 2)
        raws.append(await rig.open())
        # Far beyond the limit there is no answer at all.
        silent = [await rig.connect() for _ in range(5)]
        await until(lambda: rig.listener.counters.refused_address == 4)
        for raw in [*raws, *silent]:
            await raw.close()


async def test_behind_a_proxy_the_trusted_entry_counts() -> None:
    limits = EdgeLimits(connections_per_address_max=2)
    async with serving(make(limits, forwarded_position=-2)) as rig:
        raws: list[Raw] = []
        statuses: list[int] = []
        for i in range(4):
            # Whatever the client writes at the front, the proxy's entry decides.
            raw, status = await handshake(rig, forwarded(f"10.0.0.{i}, 203.0.113.9, 10.1.1.1"))
            raws.append(raw)
            statuses.append(status)
        assert statuses == [101, 101, 429, 429]
        raw, status = await handshake(rig, forwarded("203.0.113.10, 10.1.1.1"))
        assert status == 101
        assert [echo.peer.address for echo in rig.echoes] == ["203.0.113.9"] * 2 + ["203.0.113.10"]
        for each in [*raws, raw]:
            await each.close()
        await until(lambda: rig.listener.counters.open_now == 0)
        again, status = await handshake(rig, forwarded("203.0.113.9, 10.1.1.1"))
        assert status == 101
        await again.close()


async def test_behind_a_proxy_a_request_counts_while_it_lasts() -> None:
    release = asyncio.Event()

    async def handle(request: Request) -> Response:
        await release.wait()
        return await describe(request)

    limits = EdgeLimits(connections_per_address_max=1)
    async with serving(make(limits, handle=handle, forwarded_position=-1)) as rig:
        request = GET.replace(b"Host: a", b"Host: a\r\nX-Forwarded-For: 203.0.113.9")
        first = asyncio.create_task(rig.ask(request))
        await until(lambda: rig.listener.counters.requests == 1)
        assert (await rig.ask(request)).startswith(b"HTTP/1.1 429 ")
        release.set()
        assert b"203.0.113.9" in await first
        assert (await rig.ask(request)).startswith(b"HTTP/1.1 200 ")


async def test_behind_a_proxy_one_socket_carries_many_addresses() -> None:
    rig = make(EdgeLimits(connections_per_address_max=1), forwarded_position=-1)
    wire = rig.wire()
    for i in range(5):
        wire.feed(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.%d\r\n\r\n" % i)
        assert len(rig.listener._crowd._held) == 1
        await asyncio.sleep(0)
        assert wire.take().startswith(b"HTTP/1.1 200 ")
        assert rig.listener._crowd._held == {}


async def test_refusals_leave_no_trace() -> None:
    async with serving(make()) as rig:
        for request in (upgrade("/elsewhere"), upgrade("/play", ""), b"junk\r\n\r\n", GET):
            await rig.ask(request)
        raw = await rig.open()
        await raw.close()
        await until(lambda: rig.listener.counters.http_now == 0)
        await until(lambda: rig.listener.counters.open_now == 0)
        assert rig.listener._crowd._held == {}
        counters = rig.listener.counters
        assert (counters.refused_path, counters.refused_handshake) == (1, 1)


async def test_draining_refuses_upgrades_only() -> None:
    async with serving(make()) as rig:
        raw = await rig.open()
        rig.listener.drain()
        assert (await rig.ask(upgrade())).startswith(b"HTTP/1.1 503 ")
        assert (await rig.ask(GET)).startswith(b"HTTP/1.1 200 ")
        raw.writer.write(frame(2, b"on"))
        assert await raw.reader.readexactly(4) == b"\x82\x02on"
        await raw.close()


async def test_close_says_why_and_lets_answers_be_given() -> None:
    async def handle(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return await describe(request)

    async with serving(make(handle=handle)) as rig:
        raw, idle = await rig.open(), await rig.connect()
        asking = asyncio.create_task(rig.ask(GET.replace(b"close", b"keep-alive")))
        await until(lambda: rig.listener.counters.requests == 1)
        closing = asyncio.create_task(rig.listener.close(5.0))
        goodbye = b"\x88\x1a\x03\xe9" + b"the process ends; resume"
        assert await raw.reader.readexactly(len(goodbye)) == goodbye
        raw.writer.write(frame(8, b"\x03\xe9"))
        assert await raw.rest() == b""
        assert await idle.rest() == b""
        assert b"200 OK" in await asking
        await closing
        assert rig.echoes[0].endings == [(1001, "the process ends; resume")]
        assert (rig.listener.counters.open_now, rig.listener.counters.http_now) == (0, 0)


async def test_close_aborts_who_does_not_answer() -> None:
    async with serving(make()) as rig:
        raws = [await rig.open() for _ in range(3)]
        silent = await rig.connect()
        await until(lambda: rig.listener.counters.http_now == 1)
        async with asyncio.timeout(5):
            await rig.listener.close(0.1)
        assert [echo.endings[0][0] for echo in rig.echoes] == [1001] * 3
        assert (rig.listener.counters.open_now, rig.listener.counters.http_now) == (0, 0)
        late = await rig.connect()
        assert await late.reader.read() == b""
        for raw in [*raws, silent, late]:
            await raw.close()


async def test_the_timer_notices_that_it_is_late() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire, _ = rig.websocket()
    late: list[float] = []
    sweep = rig.listener.sweep

    def noted(late_s: float = 0.0) -> None:
        rig.listener.stop()
        late.append(late_s)
        sweep(late_s)

    rig.listener.sweep = noted  # type: ignore[method-assign]
    clock.now += 20.0
    sweep()
    clock.now += 19.0
    rig.listener.start()
    clock.now += 30.0
    await until(lambda: len(late) == 1)
    assert late[0] == pytest.approx(29.75)
    assert not wire.aborted


async def test_one_bad_connection_does_not_stop_the_sweep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    rig = make(clock=clock)
    wires = [rig.websocket()[0] for _ in range(3)]

    def broken(data: object) -> None:
        raise OSError("no such socket")

    wires[0].write = broken  # type: ignore[method-assign]
    clock.now += 20.0
    rig.listener.sweep()
    assert [wire.take() for wire in wires[1:]] == [b"\x89\x00"] * 2
    assert len(caplog.records) == 1


def test_settings_that_make_no_sense_are_named() -> None:
    with pytest.raises(ConfigError, match="counts from the front"):
        make(forwarded_position=0)
    with pytest.raises(ConfigError, match=r"'https://a.example/' is not one"):
        make(origins=["https://a.example/"])
