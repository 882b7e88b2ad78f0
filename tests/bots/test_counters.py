"""What a server counted of inputs, asked for and read."""

from __future__ import annotations

import pytest

from bots.counters import asker, parse
from bots.report import Applied
from tests.bots.arena import Arena


async def test_asking_a_server_for_its_counts(arena: Arena) -> None:
    assert await asker(arena.url)("arena") == {}
    with pytest.raises(OSError, match="404"):
        await asker(arena.url)("else where/..")
    with pytest.raises(OSError, match="refused"):
        await asker("ws://127.0.0.1:1/play")("arena")


def test_counts_are_read_or_refused() -> None:
    body = b'{"tick": 9, "players": {"4": {"seq": 3, "applied": 2, "skipped": 1, "more": 0}}}'
    assert parse(body) == {4: Applied(3, 2, 1)}
    for bad in (b"", b"[]", b"{}", b'{"players": {"4": 1}}', b'{"players": {"x": {}}}'):
        with pytest.raises(ValueError, match="not as expected"):
            parse(bad)
