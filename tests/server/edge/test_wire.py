"""Wires in virtual time: what is written and heard is late by the knobs, whole and in order."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from server.core.line import PLAIN, Knobs, Line
from server.edge.wire import UP_BYTES_MAX, Wire
from tests.server.edge.rig import Wire as Socket
from tests.simulation.loop import virtually

GATE = 64 * 1024


class Ears(asyncio.Protocol):
    """The WebSocket's place: notes what happens, and when."""

    def __init__(self) -> None:
        self.happened: list[tuple[float, Any]] = []

    def data_received(self, data: bytes) -> None:
        self._note(bytes(data))

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost")

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def _note(self, what: Any) -> None:
        self.happened.append((round(asyncio.get_running_loop().time(), 6), what))


class Stand:
    """A wire between a socket in memory and ears."""

    def __init__(self, up: Knobs = PLAIN, down: Knobs = PLAIN) -> None:
        self.socket, self.ears, self.gone = Socket(), Ears(), list[Wire]()
        loop = asyncio.get_running_loop()
        lines = Line(Random(1), up), Line(Random(2), down)
        self.wire = Wire(loop, self.socket, self.ears, *lines, GATE, self.gone.append)

    @property
    def heard(self) -> list[Any]:
        return [what for _, what in self.ears.happened]


def test_without_knobs_everything_passes_at_once() -> None:
    async def scenario() -> None:
        stand = Stand()
        stand.wire.write(b"out")
        stand.socket.feed(b"in")
        assert (stand.socket.take(), stand.heard) == (b"out", [b"in"])
        assert stand.wire.get_write_buffer_size() == 0
        stand.wire.write_eof()
        assert stand.socket.half_closed

    virtually(scenario())


def test_each_direction_is_late_by_its_own_latency() -> None:
    async def scenario() -> None:
        stand = Stand(Knobs(latency_ms=100), Knobs(latency_ms=30))
        for part in (b"a", b"b"):
            stand.wire.write(part)
            stand.socket.feed(part)
        assert stand.wire.get_write_buffer_size() == 2
        await asyncio.sleep(0.029)
        assert stand.socket.take() == b""
        await asyncio.sleep(0.002)
        assert (stand.socket.take(), stand.heard) == (b"ab", [])
        await asyncio.sleep(0.1)
        assert stand.ears.happened == [(0.1, b"a"), (0.1, b"b")]

    virtually(scenario())


def test_the_end_comes_after_what_came_before_it_in_both_directions() -> None:
    async def scenario() -> None:
        stand = Stand(Knobs(latency_ms=50), Knobs(latency_ms=50))
        stand.wire.write(b"bye")
        stand.wire.write_eof()
        stand.socket.feed(b"bye")
        ears = stand.socket.protocol
        assert isinstance(ears, asyncio.Protocol)
        assert ears.eof_received(), "the socket stays open until the end has arrived"
        assert not stand.socket.half_closed
        await asyncio.sleep(0.06)
        assert (stand.socket.take(), stand.socket.half_closed) == (b"bye", True)
        assert stand.heard == [b"bye", "eof"]
        assert stand.socket.closing

    virtually(scenario())


def test_what_piles_up_is_counted_and_told_at_the_gate() -> None:
    async def scenario() -> None:
        stand = Stand(down=Knobs(bytes_per_s=100_000))
        for _ in range(10):
            stand.wire.write(bytes(10_000))
        assert stand.heard == ["pause"]
        assert stand.wire.get_write_buffer_size() == 100_000
        await asyncio.sleep(0.5)
        first = len(stand.socket.take())
        assert 45_000 < first <= 50_000
        await asyncio.sleep(0.6)
        assert first + len(stand.socket.take()) == 100_000
        assert stand.heard == ["pause", "resume"]
        assert stand.wire.get_write_buffer_size() == 0

    virtually(scenario())


def test_a_flood_upwards_is_not_read_without_bound() -> None:
    async def scenario() -> None:
        stand = Stand(up=Knobs(latency_ms=100))
        stand.socket.feed(bytes(UP_BYTES_MAX))
        assert stand.socket.reading
        stand.socket.feed(b"x")
        assert not stand.socket.reading
        await asyncio.sleep(0.2)
        assert stand.socket.reading
        assert sum(map(len, stand.heard)) == UP_BYTES_MAX + 1

    virtually(scenario())


def test_a_dark_line_holds_everything_and_lets_it_go_in_order() -> None:
    async def scenario() -> None:
        stand = Stand(Knobs(dark=1), Knobs(dark=1))
        stand.wire.write(b"a")
        stand.socket.feed(b"a")
        stand.wire.write_eof()
        await asyncio.sleep(100)
        assert (stand.socket.take(), stand.heard, stand.socket.half_closed) == (b"", [], False)
        stand.wire.tune(Knobs(latency_ms=10), Knobs(latency_ms=10))
        stand.socket.feed(b"b")
        await asyncio.sleep(0.02)
        assert (stand.socket.take(), stand.heard, stand.socket.half_closed) == (
            b"a",
            [b"a", b"b"],
            True,
        )

    virtually(scenario())


def test_a_loss_tells_what_was_under_way_first_and_drops_what_was_going_out() -> None:
    async def scenario() -> None:
        stand = Stand(Knobs(latency_ms=50), Knobs(latency_ms=50, cut_after_s=9))
        stand.socket.feed(b"last words")
        stand.wire.write(b"too late")
        stand.socket.lose()
        assert stand.heard == [b"last words", "lost"]
        assert stand.gone == [stand.wire]
        assert stand.wire.is_closing()
        stand.wire.write(b"nobody")
        await asyncio.sleep(10)
        assert (stand.socket.take(), stand.socket.aborted) == (b"", False)

    virtually(scenario())


def test_a_cut_comes_after_its_time_unless_the_knob_is_turned_back() -> None:
    async def scenario() -> None:
        stand, other = Stand(Knobs(cut_after_s=2)), Stand(Knobs(cut_after_s=2))
        await asyncio.sleep(1.9)
        other.wire.tune(PLAIN, PLAIN)
        assert not stand.socket.aborted
        await asyncio.sleep(0.2)
        assert (stand.socket.aborted, other.socket.aborted) == (True, False)

    virtually(scenario())


def test_closing_waits_for_what_was_written_and_aborting_does_not() -> None:
    async def scenario() -> None:
        stand, other = Stand(down=Knobs(latency_ms=50)), Stand(down=Knobs(latency_ms=50))
        for one in (stand, other):
            one.wire.write(b"x")
        stand.wire.close()
        other.wire.abort()
        assert (stand.wire.is_closing(), stand.socket.closing) == (True, False)
        assert other.socket.aborted
        await asyncio.sleep(0.1)
        assert (stand.socket.take(), stand.socket.closing) == (b"x", True)
        assert other.socket.take() == b""

    virtually(scenario())
