"""One open WebSocket: messages, closing in every way, keepalive, a peer that does not read."""

from __future__ import annotations

import asyncio
import logging

import pytest
import websockets
from websockets.typing import Subprotocol

from server.edge.framing import frame_head
from server.edge.limits import EdgeLimits
from shared.errors import CloseCode
from tests.server.edge.rig import (
    Clock,
    Echo,
    Rig,
    Wire,
    frame,
    make,
    server_frames,
    serving,
    until,
    upgrade,
)

CLOSE = 8


def closes(wire: Wire) -> list[tuple[int, str]]:
    """Codes and reasons of the close frames written."""
    return [
        (int.from_bytes(body[:2], "big"), body[2:].decode())
        for opcode, body in server_frames(wire.take())
        if opcode == CLOSE
    ]


async def settled(echo: Echo) -> list[tuple[int, str]]:
    """What the receiver was told of the end, after everything planned has run."""
    for _ in range(3):
        await asyncio.sleep(0)
    return echo.endings


async def test_a_real_client_is_echoed_at_every_size() -> None:
    async with serving(make()) as rig:
        address = f"ws://127.0.0.1:{rig.port}/play?room=7"
        async with websockets.connect(address, subprotocols=[Subprotocol("holdfast.1")]) as client:
            assert client.subprotocol == "holdfast.1"
            for size in (0, 1, 125, 126, 5000, 16 * 1024):
                await client.send(bytes(size))
                assert await client.recv() == bytes(size)
            await client.send([b"in ", b"three ", b"parts"])
            assert await client.recv() == b"in three parts"
            await (await client.ping())
        echo = rig.echoes[0]
        await until(lambda: bool(echo.endings))
        assert echo.endings == [(1000, "")]
        assert (echo.head.path, dict(echo.head.query)) == ("/play", {"room": "7"})
        assert echo.peer.address == "127.0.0.1"
        assert echo.head.host == f"127.0.0.1:{rig.port}"


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (frame(2, bytes(16 * 1024 + 1)), 1009, "exceeds limit"),
        (b"\x82\xff" + b"\xff" * 8, 1009, "exceeds limit"),
        (frame(2, bytes(16 * 1024), first=0) + frame(0, b"!"), 1009, "exceeds limit"),
        (frame(2, b"naked", mask=None), 1002, "masking"),
        (frame(2, b"reserved", first=0xC0), 1002, "reserved bits"),
        (frame(5, b"opcode"), 1002, "invalid opcode"),
        (frame(1, b"text"), 1003, "binary only"),
        (frame(2, b"theirs"), 4400, "no such message"),
        (frame(2, b"ours"), 1011, "the server failed; resume"),
        (frame(2, b"x") * 1000, 1008, "too many frames"),
        (frame(0, b"", first=0) * 100, 1002, "unexpected continuation"),
        (frame(2, b"", first=0) + frame(0, b"", first=0) * 1000, 1008, "too many frames"),
        (frame(9, b"ping") * 1000, 1008, "too many control frames"),
        (frame(10, b"pong") * 1000, 1008, "too many control frames"),
    ],
)
async def test_bad_input_closes_with_code_and_reason(sent: bytes, code: int, reason: str) -> None:
    async with serving(make()) as rig:
        other = await rig.open()
        raw = await rig.open()
        raw.writer.write(sent)
        frames = server_frames(await raw.rest())
        assert frames[-1][0] == CLOSE
        assert int.from_bytes(frames[-1][1][:2], "big") == code
        assert reason in frames[-1][1][2:].decode()
        assert "secret" not in frames[-1][1].decode(errors="replace")
        await until(lambda: bool(rig.echoes[1].endings))
        assert [ending[0] for ending in rig.echoes[1].endings] == [code]
        # Nobody else noticed.
        other.writer.write(frame(2, b"still here"))
        assert await other.reader.readexactly(12) == b"\x82\x0astill here"
        await other.close()


async def test_our_failure_is_logged_without_raw_text(caplog: pytest.LogCaptureFixture) -> None:
    rig = make()
    wire, _ = rig.websocket()
    with caplog.at_level(logging.ERROR):
        wire.feed(frame(2, b"ours"))
    assert [record.getMessage() for record in caplog.records] == [
        "connection of '192.0.2.7' closed: its receiver failed"
    ]
    assert rig.listener.counters.closed_by_error == 1


async def test_messages_behind_a_fatal_one_are_dropped() -> None:
    wire, echo = make().websocket()
    wire.feed(frame(2, b"theirs") + frame(2, b"late"))
    wire.feed(frame(2, b"later"))
    assert echo.messages == [b"theirs"]
    assert echo.endings == [(4400, "no such message")]
    wire.lose()
    assert len(await settled(echo)) == 1


async def test_polite_close_waits_for_the_answer_then_half_closes() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire, echo = rig.websocket()
    wire.feed(frame(2, b"close") + frame(2, b"late"))
    assert echo.endings == [], "never from inside a call"
    assert await settled(echo) == [(1000, "as asked")]
    echo.peer.close(1001, "twice")
    echo.peer.send(b"dropped")
    assert closes(wire) == [(1000, "as asked")]
    assert not wire.half_closed
    wire.feed(frame(CLOSE, b"\x03\xe8"))
    assert wire.half_closed
    wire.lose()
    assert rig.listener.counters.open_now == 0
    assert await settled(echo) == [(1000, "as asked")]


async def test_unanswered_close_is_aborted_in_time() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire, _ = rig.websocket()
    wire.feed(frame(2, b"close"))
    clock.now += 2.9
    rig.listener.sweep()
    assert not wire.aborted
    clock.now += 0.2
    rig.listener.sweep()
    assert wire.aborted


async def test_abort_is_at_once_and_told_once() -> None:
    wire, echo = make().websocket()
    wire.feed(frame(2, b"abort") + frame(2, b"late"))
    assert wire.aborted
    assert echo.messages == [b"abort"]
    wire.lose()
    echo.peer.abort()
    assert await settled(echo) == [(1006, "aborted here")]


@pytest.mark.parametrize("sent", [b"", b"\x82", frame(2, b"truncated")[:-1]])
async def test_early_close_is_told_as_lost(sent: bytes) -> None:
    async with serving(make()) as rig:
        raw = await rig.open()
        raw.writer.write(sent)
        await raw.close()
        echo = rig.echoes[0]
        await until(lambda: bool(echo.endings))
        assert echo.endings[0][0] == 1006
        assert echo.messages == []
        await until(lambda: rig.listener.counters.open_now == 0)


async def test_accept_may_refuse() -> None:
    async with serving(make()) as rig:
        raw = await rig.connect()
        raw.writer.write(upgrade("/play?refuse=1"))
        answer = (await raw.rest()).partition(b"\r\n\r\n")[2]
        assert server_frames(answer) == [(CLOSE, (4503).to_bytes(2, "big") + b"draining")]
        assert rig.echoes == []


async def test_failures_of_accept_and_closed_are_ours(caplog: pytest.LogCaptureFixture) -> None:
    rig = make()
    with caplog.at_level(logging.CRITICAL):
        broken = rig.wire()
        broken.feed(upgrade("/play?break=1"))
        assert server_frames(broken.take().partition(b"\r\n\r\n")[2])[0][1][:2] == b"\x03\xf3"
        wire, echo = rig.websocket()
        echo.endings = None  # type: ignore[assignment]
        wire.lose()
    assert rig.listener.counters.open_now == 1
    broken.lose()
    assert rig.listener.counters.open_now == 0


async def test_pings_by_the_sweep_and_a_missed_pong() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire, echo = rig.websocket()
    counters = rig.listener.counters
    for _ in range(3):
        clock.now += 20.0
        rig.listener.sweep()
        assert wire.take() == b"\x89\x00"
        rig.listener.sweep()
        assert wire.take() == b"", "one ping at a time"
        wire.feed(frame(10, b""))
    clock.now += 20.0
    rig.listener.sweep()
    wire.feed(frame(2, b"messages are no pongs"))
    wire.take()
    for seconds in (19.9, 0.2, 19.9, 4.9):
        clock.now += seconds
        rig.listener.sweep()
        assert not wire.aborted
        assert wire.take() == b"", "no second ping meanwhile"
    clock.now += 0.2
    rig.listener.sweep()
    assert wire.aborted
    assert (counters.pings, counters.pings_unanswered) == (4, 1)
    wire.lose()
    assert await settled(echo) == [(1006, "no pong within 45 s")]


async def test_our_own_standstill_is_nobodys_missed_pong() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire, _ = rig.websocket()
    clock.now += 20.0
    rig.listener.sweep()
    clock.now += 30.0
    rig.listener.sweep(late_s=30.0)
    rig.listener.sweep()
    assert not wire.aborted
    for seconds in (20.0, 25.0):
        assert not wire.aborted
        clock.now += seconds
        rig.listener.sweep()
    assert wire.aborted, "but silence after it is"


async def test_one_write_a_frame() -> None:
    wire, echo = make().websocket()
    writes = wire.writes
    echo.peer.send(b"x" * 700)
    ready = frame_head(3) + b"abc"
    echo.peer.write(ready)
    assert wire.writes == writes + 2
    assert server_frames(wire.take()) == [(2, b"x" * 700), (2, b"abc")]


async def test_peer_that_never_reads_stays_bounded() -> None:
    limits = EdgeLimits(write_gate_bytes=4096, write_buffer_bytes_max=100_000)
    rig = make(limits)
    wire, echo = rig.websocket()
    wire.reads = False
    for _ in range(1000):
        echo.peer.send(bytes(1000))
    assert wire.aborted
    assert wire.get_write_buffer_size() < 102_000
    assert rig.listener.counters.aborted_full == 1
    assert await settled(echo) == [(1006, "the peer does not read")]


async def test_peer_that_never_reads_over_a_socket() -> None:
    limits = EdgeLimits(write_buffer_bytes_max=1_000_000)
    async with serving(make(limits)) as rig:
        raw = await rig.open()
        other = await rig.open()
        echo = rig.echoes[0]
        most = sent = 0
        while not echo.endings and sent < 100_000_000:
            echo.peer.send(bytes(50_000))
            sent += 50_000
            most = max(most, echo.peer.buffered())
            await asyncio.sleep(0)
        assert echo.endings, "it was given up"
        assert 500_000 < most < 1_100_000
        # Kernel buffers are bounded on our side; the rest is the reader's own.
        assert sent < 30_000_000
        other.writer.write(frame(2, b"ok"))
        assert await other.reader.readexactly(4) == b"\x82\x02ok"
        await raw.close()
        await other.close()


async def flood(rig: Rig, piece: bytes) -> int:
    """Send as fast as it goes until the server has had enough; how much it took."""
    raw = await rig.open()
    sent = 0
    try:
        async with asyncio.timeout(10):
            while True:
                raw.writer.write(piece)
                await raw.writer.drain()
                sent += len(piece)
    except (ConnectionError, TimeoutError):
        pass
    await raw.close()
    return sent


@pytest.mark.parametrize("kind", ["frames", "pings", "fragments"])
async def test_another_connection_is_served_while_one_floods(kind: str) -> None:
    pieces = {
        "frames": frame(2, b"x") * 5000,
        "pings": frame(9, b"p" * 100) * 500,
        "fragments": frame(2, b"", first=0) + frame(0, b"", first=0) * 5000,
    }
    limits = EdgeLimits(close_timeout_s=0.3, linger_bytes_max=65536)
    async with serving(make(limits)) as rig:
        other = await rig.open()
        flooding = asyncio.create_task(flood(rig, pieces[kind]))
        for turn in range(150):
            body = b"turn %d" % turn
            other.writer.write(frame(2, body))
            answer = await other.reader.readexactly(2 + len(body))
            assert answer[2:] == body
            await asyncio.sleep(0.005)
        sent = await flooding
        assert rig.echoes[0].messages == [b"turn %d" % turn for turn in range(150)]
        assert rig.listener.counters.closed_by_limit == 1
        assert [ending[0] for ending in rig.echoes[1].endings] == [CloseCode.POLICY_VIOLATION]
        assert len(rig.echoes[1].messages) <= limits.frames_burst + limits.frames_per_s
        # Neither taken in nor kept: what is left unread in the kernel is all that went through.
        assert sent < 40_000_000
        await other.close()


async def test_input_after_the_end_is_left_in_the_kernel() -> None:
    wire, _ = make(EdgeLimits(linger_bytes_max=1000)).websocket()
    wire.feed(frame(1, b"text"))
    wire.feed(bytes(900))
    assert wire.reading
    wire.feed(bytes(900))
    assert not wire.reading
