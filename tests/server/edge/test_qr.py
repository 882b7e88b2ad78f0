"""QR codes of links: which address they lead to, what is refused, and what the picture holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import pytest
import segno

from server.edge.qr import PATH_CHARS_MAX, qr_svg, shared_address, wrong_path

LAN = ("http://192.168.1.7:8080", "http://10.0.0.7:8080")


@pytest.mark.parametrize(
    "host",
    ["localhost:8080", "LOCALHOST", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080", "a.localhost:80"],
)
def test_a_server_asked_on_its_own_machine_names_its_address_in_the_network(host: str) -> None:
    assert shared_address(LAN, {"host": host}) == "http://192.168.1.7:8080"
    assert shared_address((), {"host": host}) is None


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "192.168.1.7:8080"}, "http://192.168.1.7:8080"),
        ({"host": "play.example.org"}, "http://play.example.org"),
        (
            {"host": "play.example.org", "x-forwarded-proto": "https"},
            "https://play.example.org",
        ),
        ({"host": "[2001:db8::7]:8080"}, "http://[2001:db8::7]:8080"),
        ({"host": "play.example.org", "x-forwarded-proto": "gopher"}, "http://play.example.org"),
        ({"host": "localhost.example.org"}, "http://localhost.example.org"),
    ],
)
def test_under_any_other_name_it_is_the_one_that_was_reached(
    headers: Mapping[str, str], address: str
) -> None:
    assert shared_address(LAN, headers) == address


@pytest.mark.parametrize(
    "host", ["", "a@b", "a/b", "a?b", "a b", "a#b", "a\\b", "ä.example", "a" * 300, "[::1"]
)
def test_a_host_that_is_none_has_no_address(host: str) -> None:
    assert shared_address(LAN, {"host": host}) is None


@pytest.mark.parametrize("path", ["/", "/?game=coins&room=abc", "/%C3%A4", "/" + "a" * 199])
def test_paths_that_may_be_shared(path: str) -> None:
    assert wrong_path(path) is None


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("", "slash"),
        ("http://elsewhere/", "slash"),
        ("?game=coins", "slash"),
        ("/" + "a" * PATH_CHARS_MAX, str(PATH_CHARS_MAX)),
        ("/a b", "spaces"),
        ("/ä", "ASCII"),
        ("/\u202e", "ASCII"),
    ],
)
def test_other_paths_are_refused_with_what_is_wrong(path: str, word: str) -> None:
    assert word in (wrong_path(path) or "")


@pytest.mark.parametrize(
    "path",
    [
        "/?game=coins&room=pnr6t4w97s3szuqmw7cd",
        "/" + quote("<svg onload=alert(1)>"),
        "/" + "~" * 199,
    ],
)
def test_the_picture_holds_the_link_with_a_margin_around_it(path: str) -> None:
    link = "http://192.168.1.7:8080" + path
    svg = qr_svg(link)
    assert b"<script" not in svg
    assert b"onload" not in svg
    size, dark = drawn(svg.decode())
    expected = segno.make(link, error="m", micro=False, mask=3).matrix
    assert size == len(expected) + 8
    assert dark == {
        (x + 4, y + 4) for y, row in enumerate(expected) for x, bit in enumerate(row) if bit
    }


def drawn(svg: str) -> tuple[int, set[tuple[int, int]]]:
    """The picture's width, and its dark cells, as its strokes draw them."""
    box = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    strokes = re.search(r'stroke="#000" d="([^"]+)"', svg)
    assert box
    assert strokes
    dark: set[tuple[int, int]] = set()
    x, y = 0.0, 0.0
    for letter, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", strokes[1]):
        if letter == "h":
            dark |= {(int(x) + step, int(y)) for step in range(int(first))}
            x += int(first)
        else:
            x = float(first) + (x if letter == "m" else 0)
            y = float(second) + (y if letter == "m" else 0)
    return int(box[1]), dark
