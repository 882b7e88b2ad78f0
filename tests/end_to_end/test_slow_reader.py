"""A client that reads nothing for 30 s: a bounded buffer, no neighbour disturbed, current at once.

The figures are those of `python -m bench slow`; here they are judged.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bench.slow import ASLEEP_S, measure
from server.edge.limits import EdgeLimits
from shared.limits import BEHIND_TICKS_MAX, FRAME_BYTES_MAX, WRITE_GATE_BYTES
from tests.end_to_end.server import ROOT, serve

DIGEST_BYTES_MAX = 16
SEGMENT_BYTES_MAX = 64 * 1024


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_thirty_seconds_without_reading_cost_a_bounded_buffer_and_one_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    game = str(ROOT / "bench" / "ants.py")
    with serve(tmp_path, "--games", game, "--digest-ticks", "5") as server:
        found = asyncio.run(measure(server.port, "ants"))
        closed = server.metrics()["listener_pings_unanswered"]
    with capsys.disabled():
        print(f"\n{found}", end=" ")
    ticks, frame_bytes = found["ticks_asleep"], found["frame_bytes"]
    # It slept, and what it did not read would have filled every buffer several times over.
    assert ticks > 0.8 * ASLEEP_S * 20
    assert ticks * frame_bytes > 10 * WRITE_GATE_BYTES
    most = found["asleep_bytes_most"]
    # One frame is written while the buffer is at the gate, with the digest behind it.
    assert (
        most["process"] <= WRITE_GATE_BYTES + frame_bytes + DIGEST_BYTES_MAX + 64 < FRAME_BYTES_MAX
    )
    assert most["process"] > found["quiet_bytes_most"]["process"]
    if sys.platform == "linux":
        # Linux doubles SO_SNDBUF for its own bookkeeping, and that is what is read back; it begins
        # no segment beyond it.
        assert most["kernel_bound"] == 2 * EdgeLimits().send_buffer_bytes
        assert frame_bytes < most["kernel"] <= most["kernel_bound"] + SEGMENT_BYTES_MAX
    # Nobody else noticed: the other player of the room got every tick.
    frames, of_ticks = found["neighbour_frames_of_ticks"]
    assert frames >= 0.95 * of_ticks
    # What lay in the buffers is read, then one frame covers the whole sleep.
    assert found["current_after_frames"] == 1
    assert found["old_frames_read"] <= BEHIND_TICKS_MAX + ASLEEP_S
    assert found["frames_after"] >= 0.7 * found["ticks_after"]
    assert found["same_connection"]
    assert closed == 0
    assert found["views_compared"] > 5
    assert found["views_that_differ"] == 0
