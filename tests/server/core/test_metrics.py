"""Numbers are counted, and told as Prometheus reads them."""

from __future__ import annotations

from server.core.metrics import BUCKETS_S, HELP, Metrics


def test_nothing_counted_says_only_the_gauges() -> None:
    assert Metrics().render({"rooms": 3}) == (
        f"# HELP holdfast_rooms {HELP['rooms']}\n# TYPE holdfast_rooms gauge\nholdfast_rooms 3\n"
    )


def test_counters_are_exact_however_large() -> None:
    metrics = Metrics()
    metrics.count("frames_total")
    metrics.count("frames_total", 123_456_788)
    text = metrics.render({"load": 0.25})
    assert "\n# TYPE holdfast_frames_total counter\nholdfast_frames_total 123456789\n" in text
    assert "# TYPE holdfast_load gauge\nholdfast_load 0.25\n" in text
    assert "HELP holdfast_load" not in text, "a name without an explanation has none"


def test_a_histogram_counts_up_to_each_bound() -> None:
    metrics = Metrics()
    for seconds in (0.0, 0.0005, 0.0006, 0.2, 99.0):
        metrics.observe("tick_seconds", seconds)
    lines = metrics.render({}).splitlines()
    assert lines[:2] == [
        f"# HELP holdfast_tick_seconds {HELP['tick_seconds']}",
        "# TYPE holdfast_tick_seconds histogram",
    ]
    buckets = [line.split(" ")[1] for line in lines if "_bucket{" in line]
    assert buckets == ["2", *["3"] * 7, *["4"] * 3, "5"]
    bounds = [line.split('"')[1] for line in lines if "_bucket{" in line]
    assert [float(bound) for bound in bounds] == [*BUCKETS_S, float("inf")]
    assert lines[-2:] == ["holdfast_tick_seconds_sum 99.2011", "holdfast_tick_seconds_count 5"]


def test_everything_is_told_once_and_in_order() -> None:
    metrics = Metrics()
    for name in ("ticks_total", "frames_total"):
        metrics.count(name)
    metrics.observe("tick_seconds", 1)
    metrics.observe("commit_seconds", 1)
    names = [line.split()[2] for line in metrics.render({}).splitlines() if "# TYPE" in line]
    assert names == [
        "holdfast_frames_total",
        "holdfast_ticks_total",
        "holdfast_commit_seconds",
        "holdfast_tick_seconds",
    ]
