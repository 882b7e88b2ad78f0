"""Which upgrade requests are accepted, and what the others are told."""

from __future__ import annotations

import base64
import hashlib
import logging

import pytest

from server.edge.handshake import Handshake, Verdict, admits, parse_origin
from tests.server.edge.rig import KEY, upgrade


def judge(
    head: bytes, origins: list[str] | None = None, forwarded_position: int | None = None
) -> Verdict:
    handshake = Handshake(
        origins=origins,
        forwarded_position=forwarded_position,
        log=logging.getLogger("tests.edge.handshake"),
    )
    return handshake.judge(head, "192.0.2.7")


def test_good_request_is_accepted() -> None:
    verdict = judge(upgrade("/play?a=1&b=%20", "chat, holdfast.1", "X-One: 1", "X-One: 2"))
    accept = hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    assert verdict.status == 101
    assert b"Sec-WebSocket-Accept: " + base64.b64encode(accept) in verdict.answer
    assert b"Sec-WebSocket-Protocol: holdfast.1\r\n" in verdict.answer
    request = verdict.request
    assert request is not None
    assert (request.path, request.query) == ("/play", {"a": "1", "b": " "})
    assert (request.address, request.host) == ("192.0.2.7", "localhost:8080")
    assert request.headers["x-one"] == "1, 2"


def test_compression_is_never_agreed_to() -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    verdict = judge(upgrade("/play", "holdfast.1", offer))
    assert verdict.status == 101
    assert b"deflate" not in verdict.answer


@pytest.mark.parametrize(
    ("head", "status", "sentence"),
    [
        (upgrade("/elsewhere"), 404, "/play"),
        (upgrade("/play/"), 404, "/play"),
        (upgrade("/%70lay"), 404, "/play"),
        (upgrade("/play", ""), 400, "holdfast.1 is required"),
        (upgrade("/play", "holdfast.2"), 400, "holdfast.1 is required"),
        (upgrade("/play", "xholdfast.1"), 400, "holdfast.1 is required"),
        (upgrade("/play?" + "&".join("a=1" for _ in range(65))), 400, "more than 64"),
        (upgrade().replace(b"Host: localhost:8080\r\n", b""), 400, "0 Host headers"),
        (upgrade("/play", "holdfast.1", "Host: b"), 400, "2 Host headers"),
        (upgrade("/play", "holdfast.1", "Origin: http://a", "Origin: http://b"), 400, "2 Origin"),
        (upgrade().replace(b"GET", b"POST"), 405, "GET"),
        (upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"), 505, "HTTP/1.1"),
        (upgrade().replace(b"Connection: Upgrade\r\n", b""), 426, "Connection"),
        (upgrade().replace(KEY.encode(), b"short"), 400, "Sec-WebSocket-Key"),
        (upgrade().replace(b"Version: 13", b"Version: 8"), 400, "Sec-WebSocket-Version"),
        (upgrade("/play", "holdfast.1", "Bad Name: x"), 400, "cannot be read"),
        (upgrade("/play", "holdfast.1", "Content-Length: 5"), 400, "cannot be read"),
        (upgrade("/play", "holdfast.1", "X: " + "x" * 9000), 431, "8192"),
        (upgrade("/play", "holdfast.1", *["X: 1"] * 129), 431, "128"),
        (upgrade("/play?" + "x" * 9000), 414, "8192"),
    ],
)
def test_bad_request_gets_a_sentence(head: bytes, status: int, sentence: str) -> None:
    verdict = judge(head)
    assert (verdict.status, verdict.request) == (status, None)
    assert verdict.answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in verdict.answer.lower()
    answer = verdict.answer.decode()
    assert sentence in answer or (status in {405, 505} and str(status) in answer)


OWN = "play.example:8080"
DEVELOPMENT = [
    (f"http://{OWN}", OWN, True),
    (f"https://{OWN}", OWN, True),
    ("HTTP://PLAY.example:8080", OWN, True),
    (f"http://{OWN}", OWN.upper(), True),
    ("http://play.example", "play.example", True),
    ("http://play.example", "play.example:80", True),
    ("https://play.example", "play.example:443", True),
    ("http://[::1]:8080", "[::1]:8080", True),
    ("http://play.example", OWN, False),
    ("http://play.example:8081", OWN, False),
    ("https://play.example", "play.example:80", False),
    ("http://evil-play.example:8080", OWN, False),
    ("http://play.example.evil:8080", OWN, False),
    ("http://evil.com", OWN, False),
    ("http://play.example:8080@evil.com", OWN, False),
    ("http://evil.com@play.example:8080", OWN, False),
    ("http://play.example:8080/", OWN, False),
    ("http://play.example:8080#", OWN, False),
    ("http://play.example:8080 ", OWN, False),
    ("http://play.example\u0130:8080", OWN, False),
    ("ftp://play.example:8080", OWN, False),
    ("ws://play.example:8080", OWN, False),
    ("//play.example:8080", OWN, False),
    (OWN, OWN, False),
    ("null", OWN, False),
    ("", OWN, False),
    ("*", OWN, False),
    (f"http://{OWN}", "", False),
    (f"http://{OWN}", "not a host", False),
]


@pytest.mark.parametrize(("origin", "host", "admitted"), DEVELOPMENT)
def test_development_admits_the_pages_it_served(origin: str, host: str, admitted: bool) -> None:
    assert admits(origin, host, None) is admitted


def test_production_admits_its_list_and_nothing_else() -> None:
    listed = ["https://play.example", "http://localhost:8080"]
    for origin, status in [
        ("https://play.example", 101),
        ("https://PLAY.example:443", 101),
        ("http://localhost:8080", 101),
        ("http://play.example", 403),
        ("https://play.example:8443", 403),
        ("https://evil-play.example", 403),
        ("https://play.example.evil", 403),
        ("https://sub.play.example", 403),
        ("null", 403),
    ]:
        head = upgrade("/play", "holdfast.1", f"Origin: {origin}")
        assert judge(head, listed).status == status, origin
        assert judge(upgrade(), listed).status == 101, "native clients send no origin"
    own = upgrade("/play", "holdfast.1", "Origin: http://localhost:8080")
    assert judge(own, []).status == 403, "an empty list admits no page at all"


def test_origin_is_never_repeated_to_whoever_sent_it() -> None:
    verdict = judge(upgrade("/play", "holdfast.1", "Origin: http://<script>"))
    assert verdict.status == 403
    assert b"script" not in verdict.answer


def test_unreadable_bytes_are_escaped_in_the_reason() -> None:
    verdict = judge(upgrade("/play", "holdfast.1", "Bad\x1b[31mName: x"))
    assert "\x1b" not in verdict.reason
    assert b"\x1b" not in verdict.answer


def test_parsed_origin_has_its_port() -> None:
    assert parse_origin("https://a.example") == ("https", "a.example", 443)
    assert parse_origin("http://a.example:99999999") is None


def test_forwarded_address_is_believed_from_its_position() -> None:
    head = upgrade("/play", "holdfast.1", "X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.1")
    for position, address in [(None, "192.0.2.7"), (-1, "10.0.0.1"), (-2, "203.0.113.9")]:
        request = judge(head, None, position).request
        assert request is not None
        assert request.address == address
