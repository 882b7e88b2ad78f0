"""Counters, gauges and histograms of a process, and their Prometheus text.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

HELP = {
    "ticks_total": "Ticks stepped and committed, all rooms.",
    "ticks_skipped_total": "Ticks given up after a stall longer than the catch-up bound.",
    "rooms": "Rooms run by this process.",
    "sessions": "Sessions with an open connection.",
    "polling_sessions": "Sessions served by long polls, those between two polls included.",
    "polls_total": "Long polls answered or being answered.",
    "renewals_total": "Connections that were asked for a successor.",
    "frames_total": "Frames sent.",
    "frames_skipped_total": "Frames not sent to readers that were behind.",
    "frame_bytes_total": "Bytes of frames sent, without WebSocket heads.",
    "inputs_total": "Input items accepted.",
    "game_errors_total": "Times a game's hook raised.",
    "rooms_failed_total": "Rooms ended because their game raised twice at one tick.",
    "store_retries_total": "Appends repeated because the store was unavailable.",
    "tick_seconds": "Stepping one room, its game included.",
    "commit_seconds": "From handing a batch to the store to its answer.",
    "publish_seconds": "Fanning one tick of one room out.",
}


@dataclass(slots=True)
class Histogram:
    """Counts per bucket of `BUCKETS_S`, the last beyond all of them."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum += seconds


class Metrics:
    """All numbers of a process, by the names in `HELP`."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.histograms: dict[str, Histogram] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + by

    def histogram(self, name: str) -> Histogram:
        """One histogram, for who observes often."""
        histogram = self.histograms.get(name)
        if histogram is None:
            histogram = self.histograms[name] = Histogram()
        return histogram

    def observe(self, name: str, seconds: float) -> None:
        """Add one duration to a histogram."""
        self.histogram(name).observe(seconds)

    def render(self, gauges: Mapping[str, float]) -> str:
        """The exposition text; `gauges` are numbers read at this moment."""
        lines: list[str] = []
        for name, value in sorted({**self.counters, **gauges}.items()):
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += _head(name, kind)
            lines.append(f"holdfast_{name} {value}")
        for name, histogram in sorted(self.histograms.items()):
            lines += _head(name, "histogram")
            running = 0
            for bound, count in zip(BUCKETS_S, histogram.counts, strict=False):
                running += count
                lines.append(f'holdfast_{name}_bucket{{le="{bound:g}"}} {running}')
            total = sum(histogram.counts)
            lines.append(f'holdfast_{name}_bucket{{le="+Inf"}} {total}')
            lines.append(f"holdfast_{name}_sum {histogram.sum}")
            lines.append(f"holdfast_{name}_count {total}")
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str) -> list[str]:
    text = HELP.get(name)
    head = [f"# HELP holdfast_{name} {text}"] if text else []
    return [*head, f"# TYPE holdfast_{name} {kind}"]
