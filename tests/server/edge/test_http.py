"""HTTP on a socket: requests answered one by one, and every malformed one with a sentence."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.edge.limits import EdgeLimits
from server.edge.request import Request, Response
from tests.server.edge.rig import Clock, describe, make, serving, upgrade

HOST = b"Host: play.example\r\n"
LAST = HOST + b"Connection: close\r\n"


def get(path: str = "/", fields: bytes = LAST, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + fields + b"\r\n"


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields by lower-case name, and body of one response."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in fields.items()}, body


async def ask(
    request: bytes, limits: EdgeLimits | None = None
) -> tuple[int, dict[str, str], bytes]:
    async with serving(make(limits)) as rig:
        return parts(await rig.ask(request))


async def test_request_is_decoded_once_and_answered() -> None:
    status, fields, body = await ask(get("/a%20b%252e?x=1&y=%C3%A9&x=2"))
    assert status == 200
    assert body == "GET /a b%2e {'x': '2', 'y': 'é'} b'' 127.0.0.1 play.example".encode()
    assert fields == {
        "date": "Thu, 01 Jan 1970 00:00:00 GMT",
        "x-content-type-options": "nosniff",
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        "connection": "close",
    }


async def test_head_has_the_length_and_no_body() -> None:
    status, fields, body = await ask(get("/x", method="HEAD"))
    assert (status, body) == (200, b"")
    assert fields["content-length"] == str(len("HEAD /x {} b'' 127.0.0.1 play.example"))


async def test_bodies_by_length_and_in_chunks() -> None:
    sized = get("/", LAST + b"Content-Length: 5\r\n", "POST") + b"hello"
    chunked = get("/", LAST + b"Transfer-Encoding: chunked\r\n", "POST")
    assert b"b'hello'" in (await ask(sized))[2]
    assert b"b'hello'" in (await ask(chunked + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"))[2]


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def uneven(request: Request) -> Response:
        await asyncio.sleep(0.02 if request.path == "/slow" else 0)
        return await describe(request)

    async with serving(make(handle=uneven)) as rig:
        many = b"".join(get(f"/{i}", HOST) for i in range(300))
        answer = await rig.ask(get("/slow", HOST) + many + get("/last"))
        assert answer.count(b"HTTP/1.1 200 OK") == 302
        order = [line.split(b"GET /")[1].split(b" ")[0] for line in answer.split(b"\r\n\r\n")[1:]]
        assert order == [b"slow", *(b"%d" % i for i in range(300)), b"last"]


async def test_connection_is_kept_and_can_become_a_websocket() -> None:
    async with serving(make()) as rig:
        raw = await rig.connect()
        for path in ("/one", "/two"):
            raw.writer.write(get(path, HOST))
            assert b" 200 OK" in await raw.reader.readuntil(b"\r\n\r\n")
            assert path.encode() in await raw.reader.readuntil(b"play.example")
        raw.writer.write(upgrade())
        assert b" 101 " in await raw.reader.readuntil(b"\r\n\r\n")
        assert (rig.listener.counters.accepted, rig.listener.counters.opened) == (1, 1)
        await raw.close()


async def test_expect_continue_is_answered_before_the_body() -> None:
    async with serving(make()) as rig:
        raw = await rig.connect()
        raw.writer.write(get("/", LAST + b"Content-Length: 2\r\nExpect: 100-continue\r\n", "POST"))
        assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        raw.writer.write(b"ok")
        assert parts(await raw.rest())[0] == 200


async def test_expect_continue_of_too_long_a_body_is_refused_unsent() -> None:
    fields = LAST + b"Content-Length: 70000\r\nExpect: 100-continue\r\n"
    status, _, body = await ask(get("/", fields, "POST"))
    assert (status, body) == (413, b"the body is longer than 65536 bytes\n")


@pytest.mark.parametrize(
    ("request_bytes", "status", "sentence"),
    [
        (b"\x16\x03\x01\x02\x00", 400, "no HTTP request"),
        (b"\x00" * 50, 400, "no HTTP request"),
        (b"GET\r\n\r\n", 400, "illegal request line"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505, "must be 1.1"),
        (get("/", HOST + b"Bad Name: 1\r\n"), 400, "illegal header line"),
        (get("/", HOST + b"X: a\x00b\r\n"), 400, "illegal header line"),
        (get("/", HOST + b"X: " + b"x" * 17_000 + b"\r\n"), 431, "longer than 16384 bytes"),
        (b"GET /" + b"x" * 17_000, 431, "longer than 16384 bytes"),
        (get("/", HOST + b"Content-Length: x\r\n", "POST"), 400, "Content-Length"),
        (get("/", HOST + b"Content-Length: -1\r\n", "POST"), 400, "Content-Length"),
        (get("/", HOST + b"Content-Length: 1, 2\r\n", "POST"), 400, "Content-Length"),
        (get("/", HOST + b"Content-Length: 70000\r\n", "POST"), 413, "longer than 65536"),
        (get("/", HOST + b"Content-Length: " + b"9" * 19 + b"\r\n", "POST"), 413, "longer"),
        (
            get("/", HOST + b"Transfer-Encoding: chunked\r\n", "POST")
            + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 5,
            413,
            "longer than 65536",
        ),
        (get("/", HOST + b"Transfer-Encoding: chunked\r\n", "POST") + b"zz\r\n", 400, "chunk"),
        (get("/", HOST + b"Transfer-Encoding: gzip\r\n", "POST"), 501, "chunked"),
        (get("/%ff"), 400, "not UTF-8"),
        (get("/a%00b"), 400, "control characters"),
        (get("/a%0d%0ab"), 400, "control characters"),
        (get("nowhere"), 400, "begin with a slash"),
        (get("/?" + "&".join("a=1" for _ in range(65))), 400, "more than 64 fields"),
        (get("/", method="BREW"), 501, "BREW"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT"),
    ],
)
async def test_malformed_requests_get_a_sentence(
    request_bytes: bytes, status: int, sentence: str
) -> None:
    async with serving(make()) as rig:
        got, fields, body = parts(await rig.ask(request_bytes))
        assert got == status
        assert sentence in body.decode()
        assert fields["connection"] == "close"
        assert len(body) < 400
        assert rig.listener.counters.refused_request == 1


async def test_a_lie_about_the_length_starts_no_second_request() -> None:
    # The surplus is not a request, and is refused as one; the first is answered.
    answer = await make_and_ask(get("/", HOST + b"Content-Length: 2\r\n", "POST") + b"ok!!\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 400 Bad Request" in answer


async def make_and_ask(request: bytes) -> bytes:
    async with serving(make()) as rig:
        return await rig.ask(request)


async def test_proxy_form_and_http_1_0_are_understood() -> None:
    assert b"GET /x {'y': '1'}" in (await ask(get("http://play.example/x?y=1")))[2]
    assert b"GET / {}" in (await ask(b"GET / HTTP/1.0\r\n\r\n"))[2]
    assert b"GET / {}" in (await ask(b"\r\n" + get("/")))[2]


async def test_failing_handler_says_nothing_of_why(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(make()) as rig:
        with caplog.at_level(logging.ERROR):
            answer = await rig.ask(get("/boom", HOST) + get("/after"))
        assert b"500 Internal Server Error" in answer
        assert b"secret" not in answer
        assert b"GET /after" in answer, "the connection goes on"
        assert [record.getMessage() for record in caplog.records] == ["request failed: GET '/boom'"]
        assert rig.listener.counters.handler_errors == 1


async def test_header_injection_by_a_handler_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.CRITICAL):
        status, fields, _ = await ask(get("/invalid"))
    assert status == 500
    assert "injected" not in fields


async def test_remote_error_of_a_handler_is_theirs() -> None:
    status, _, body = await ask(get("/theirs"))
    assert (status, body) == (400, b"that is not how to ask\n")


async def test_slow_head_and_slow_body_are_given_up_on_time() -> None:
    clock = Clock()
    rig = make(clock=clock)
    silent, slow_head, slow_body, idle = (rig.wire() for _ in range(4))
    idle.feed(get("/", HOST))
    slow_body.feed(get("/", HOST + b"Content-Length: 100\r\n", "POST"))
    await asyncio.sleep(0)
    for _ in range(13):
        slow_head.feed(b"G")
        slow_body.feed(b"x")
        clock.now += 0.25
        rig.listener.sweep()
    assert silent.closing
    assert silent.take() == b""
    assert slow_head.take().startswith(b"HTTP/1.1 408 ")
    assert slow_head.half_closed
    assert not slow_body.half_closed
    for _ in range(28):
        slow_body.feed(b"x")
        clock.now += 0.25
        rig.listener.sweep()
    assert slow_head.aborted, "a refusal waits close_timeout_s to be read"
    assert slow_body.take().startswith(b"HTTP/1.1 408 ")
    assert idle.take().startswith(b"HTTP/1.1 200 ")
    assert not idle.closing
    idle.feed(b"G")
    clock.now += 3.1
    rig.listener.sweep()
    assert idle.take().startswith(b"HTTP/1.1 408 "), "a second head has its time limit, too"


async def test_idle_connection_is_closed() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire = rig.wire()
    wire.feed(get("/", HOST))
    await asyncio.sleep(0)
    clock.now += 29.0
    rig.listener.sweep()
    assert not wire.closing
    clock.now += 1.1
    rig.listener.sweep()
    assert wire.closing
    assert rig.listener.counters.timed_out == 0


async def test_byte_a_second_over_a_socket_is_closed_on_time() -> None:
    limits = EdgeLimits(open_timeout_s=0.4)
    async with serving(make(limits)) as rig:
        raw = await rig.connect()

        async def trickle() -> None:
            for byte in upgrade():
                raw.writer.write(bytes((byte,)))
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        answer = await raw.reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert not trickling.done(), "it was not waited for"
        trickling.cancel()
        await raw.close()
        assert rig.listener.counters.timed_out == 1


async def test_slow_request_blocks_nobody() -> None:
    release = asyncio.Event()

    async def handle(request: Request) -> Response:
        if request.path == "/wait":
            await release.wait()
        return await describe(request)

    async with serving(make(handle=handle)) as rig:
        waiting = asyncio.create_task(rig.ask(get("/wait")))
        half = await rig.connect()
        half.writer.write(b"POST / HTTP/1.1\r\n")
        for _ in range(20):
            assert parts(await rig.ask(get("/quick")))[0] == 200
        assert not waiting.done()
        release.set()
        assert parts(await waiting)[0] == 200
        await half.close()


async def test_peer_that_hangs_up_cancels_its_handler() -> None:
    cancelled = asyncio.Event()

    async def handle(request: Request) -> Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return await describe(request)

    async with serving(make(handle=handle)) as rig:
        raw = await rig.connect()
        raw.writer.write(get("/poll"))
        await asyncio.sleep(0.05)
        await raw.close()
        async with asyncio.timeout(5):
            await cancelled.wait()


async def test_client_that_half_closes_after_asking_is_answered() -> None:
    async with serving(make()) as rig:
        raw = await rig.connect()
        raw.writer.write(get("/"))
        raw.writer.write_eof()
        assert parts(await raw.rest())[0] == 200


async def test_pipeliner_that_never_reads_stays_bounded() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire = rig.wire()
    wire.reads = False
    wire.feed(get("/big", HOST) * 50)
    for _ in range(20):
        await asyncio.sleep(0)
    assert 1_000_000 < wire.get_write_buffer_size() < 1_001_000, "one answer, not fifty"
    for _ in range(10):
        wire.feed(get("/big", HOST) * 100)
    assert not wire.reading
    clock.now += 30.1
    rig.listener.sweep()
    assert wire.aborted


async def test_long_answer_on_a_slow_line_is_not_cut() -> None:
    clock = Clock()
    rig = make(clock=clock)
    wire = rig.wire()
    wire.reads = False
    wire.feed(get("/big"))
    for _ in range(5):
        await asyncio.sleep(0)
    for _ in range(5):
        clock.now += 30.0
        del wire.written[:100_000]
        rig.listener.sweep()
        assert not wire.aborted
    clock.now += 30.0
    rig.listener.sweep()
    assert wire.aborted, "until it stops being read"


async def test_any_cut_of_the_bytes_gives_the_same_answer() -> None:
    request = get("/a?b=c", HOST + b"Content-Length: 3\r\n", "POST") + b"abc"
    whole = await make_and_ask(request + get("/last"))
    rig = make()
    wire = rig.wire()
    for byte in request + get("/last"):
        wire.feed(bytes((byte,)))
        await asyncio.sleep(0)
    assert wire.take().replace(b"192.0.2.7", b"127.0.0.1") == whole
