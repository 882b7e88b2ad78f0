"""The status line: rates since the last one, and troubles where there are any."""

from __future__ import annotations

import io

from bots.status import Status, line
from bots.swarm import Progress


def test_a_status_line_tells_rates_and_troubles() -> None:
    before = Progress(1.0, 3, 4, 100, 90, 1, 0, 0)
    now = Progress(3.0, 4, 4, 300, 250, 2, 1, 5)
    assert line(now, before) == (
        "    3.0 s  4/4 seated in 2 rooms  100 frames/s  80 inputs/s  1 trouble  5 views differ"
    )
    assert "0 frames/s" in line(Progress(0.0, 0, 4, 0, 0, 0, 0, 0), None)


def test_elsewhere_than_on_a_terminal_it_is_plain_lines() -> None:
    stream = io.StringIO()
    status = Status(stream)
    status.show(Progress(1.0, 1, 4, 20, 10, 1, 0, 0))
    status.show(Progress(2.0, 4, 4, 40, 30, 1, 0, 0))
    status.close()
    assert stream.getvalue().splitlines() == [
        "    1.0 s  1/4 seated in 1 room  20 frames/s  10 inputs/s",
        "    2.0 s  4/4 seated in 1 room  20 frames/s  20 inputs/s",
    ]
