"""A line's schedule: the same for a seed, in order, whole, and each knob does what it says."""

from __future__ import annotations

import math
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.line import PLAIN, RETRIES_MAX, SEGMENT_BYTES, Knobs, Line

Sent = list[tuple[float, bytes]]


def sent(knobs: Knobs, writes: list[tuple[float, bytes]], seed: int = 1) -> Sent:
    """Everything that arrives of these writes (time, bytes)."""
    line = Line(Random(seed), knobs)
    return [piece for now_s, data in writes for piece in line.send(now_s, data)]


def steady(count: int = 200, size: int = 100) -> list[tuple[float, bytes]]:
    """A write every 50 ms, each of its own bytes."""
    return [(n / 20, bytes([n % 256]) * size) for n in range(count)]


def waits_ms(knobs: Knobs, seed: int = 1) -> list[float]:
    """How long each of many writes took."""
    return [
        (due - now) * 1000
        for (due, _), (now, _) in zip(sent(knobs, steady(), seed), steady(), strict=True)
    ]


knobs = st.builds(
    Knobs,
    latency_ms=st.floats(0, 500),
    jitter_ms=st.floats(0, 500),
    loss_percent=st.floats(0, 90),
    stall_ms=st.floats(0, 1000),
    bytes_per_s=st.one_of(st.just(0.0), st.floats(1000, 1e6)),
)
writes = st.lists(st.tuples(st.floats(0, 2), st.binary(max_size=4 * SEGMENT_BYTES)), max_size=12)


@given(knobs, writes, st.integers(0, 99))
def test_bytes_arrive_whole_in_order_never_early_and_the_same_for_a_seed(
    some: Knobs, gaps: list[tuple[float, bytes]], seed: int
) -> None:
    now, asked = 0.0, list[tuple[float, bytes]]()
    for gap, data in gaps:
        now += gap
        asked.append((now, data))
    arrived = sent(some, asked, seed)
    assert b"".join(data for _, data in arrived) == b"".join(data for _, data in asked)
    assert [due for due, _ in arrived] == sorted(due for due, _ in arrived)
    assert arrived == sent(some, asked, seed)
    line = Line(Random(seed), some)
    for now, data in asked:
        assert all(due >= now + some.latency_ms / 1000 for due, _ in line.send(now, data))


def test_another_seed_is_another_schedule() -> None:
    shaky = Knobs(jitter_ms=50, loss_percent=5)
    assert sent(shaky, steady(), 1) == sent(shaky, steady(), 1) != sent(shaky, steady(), 2)


def test_without_knobs_everything_arrives_as_it_was_written() -> None:
    assert sent(PLAIN, steady()) == steady()


def test_latency_moves_everything_alike() -> None:
    assert {round(wait, 6) for wait in waits_ms(Knobs(latency_ms=80))} == {80}


def test_jitter_spreads_between_the_latency_and_its_bound() -> None:
    waits = waits_ms(Knobs(latency_ms=80, jitter_ms=40))
    assert min(waits) >= 80
    assert max(waits) <= 120 + 1e-6
    assert min(waits) < 85
    assert max(waits) > 115


def test_loss_is_a_stall_behind_which_everything_waits() -> None:
    lossy = Knobs(latency_ms=10, loss_percent=4, stall_ms=200)
    waits = waits_ms(lossy)
    struck = [n for n, wait in enumerate(waits) if wait > 10 + 199]
    assert 2 <= len(struck) <= 24
    first = struck[0]
    behind = waits[first : first + 4]
    assert behind == sorted(behind, reverse=True)
    assert behind[1] > 100, "what was written after it waits with it"
    assert max(waits_ms(Knobs(loss_percent=90, stall_ms=1))) <= 2**RETRIES_MAX


def test_what_no_loss_strikes_arrives_in_one_piece() -> None:
    whole = bytes(range(256)) * 200
    pieces = sent(Knobs(latency_ms=10, loss_percent=4, stall_ms=200), [(0.0, whole)])
    assert b"".join(data for _, data in pieces) == whole
    moments = [at_s for at_s, _ in pieces]
    assert moments == sorted(set(moments)), "what arrives together is one piece"
    assert 1 < len(pieces) < len(whole) / SEGMENT_BYTES / 2


def test_bandwidth_makes_long_writes_trickle_and_a_queue_grow() -> None:
    slow = Knobs(bytes_per_s=10_000)
    pieces = sent(slow, [(0.0, bytes(20_000))])
    assert len(pieces) == math.ceil(20_000 / SEGMENT_BYTES)
    assert pieces[-1][0] == pytest.approx(2.0)
    assert pieces[0][0] == pytest.approx(SEGMENT_BYTES / 10_000)
    assert waits_ms(Knobs(bytes_per_s=1_000))[-1] > 9_000, "100 B every 50 ms are 2,000 B/s"
    assert max(waits_ms(Knobs(bytes_per_s=4_000))) == pytest.approx(25)


def test_on_a_dark_line_nothing_arrives() -> None:
    assert sent(Knobs(dark=1), [(3.0, b"ab")]) == [(math.inf, b"ab")]


def test_knobs_turned_hold_for_what_is_written_then_and_nothing_overtakes() -> None:
    line = Line(Random(1), Knobs(latency_ms=500))
    [(slow, _)] = line.send(0.0, b"a")
    line.knobs = PLAIN
    [(fast, _)] = line.send(0.1, b"b")
    assert (slow, fast) == (0.5, 0.5)
    assert line.send(0.6, b"c") == [(0.6, b"c")]


def test_knobs_are_read_from_names() -> None:
    known = Knobs(latency_ms=9)
    assert Knobs.of({"jitter_ms": 5, "dark": True}, known) == Knobs(9, 5, dark=1)
    assert Knobs.of({}) == PLAIN


@pytest.mark.parametrize(
    ("wishes", "wrong"),
    [
        ({"lag": 3}, "there is no knob 'lag'; there are latency_ms, jitter_ms, loss_percent,"),
        ({"latency_ms": -1}, "latency_ms is -1; expected a number from 0 to 10000"),
        ({"loss_percent": 91}, "loss_percent is 91; expected a number from 0 to 90"),
        ({"stall_ms": "x"}, "stall_ms is 'x'; expected a number"),
        ({"bytes_per_s": math.nan}, "bytes_per_s is nan; expected a number"),
        ({"cut_after_s": None}, "cut_after_s is None; expected a number"),
    ],
)
def test_what_is_no_knob_is_told(wishes: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}"):
        Knobs.of(wishes)
