"""What a room that misbehaves costs the rooms beside it: two workers, a Valkey, thirty bots.

For each offender a server of its own: the bots of coins play alone for a while, then one player
opens a room of the offender, and they play on beside it. Both times are measured at the bots.

The slow room goes to a process of its own, for which that is started first: it is measured from
when it had time to.

Bars: a game that hangs may cost each bot one gap, shorter than 8 s. Any other may make the 99th
percentile of the gaps between frames 1.5 times as long.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from bench import valkey
from bench.processes import Child, own_port, until
from bots.bot import Bot
from bots.brains import load_brain
from bots.clock import LoopClock
from bots.websocket import open_websocket
from shared.messages import Join
from shared.session import Outcome

OFFENDERS = ("hang", "slow", "bomb", "overflow")
HANG = "hang"
BOTS = 30
WORKERS = 2
QUIET_S = 10.0
BESIDE_S = 15.0
# From when the offender's room is measured, after it was opened.
AFTER_S = {"slow": 10.0}
# The offender's room begins, its first ticks are played, and what it does shows.
HANG_GAP_MAX_S = 8.0
# Between two gaps of the one kind a bot plays as before.
HANG_GAP_S = 1.0
RATIO_MAX = 1.5
FOLDER = Path(__file__).resolve().parent / "offenders"
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Watcher:
    """Notes when each frame came to one bot."""

    times_s: list[float] = field(default_factory=list[float])

    def framed(self, outcome: Outcome) -> None:
        """A frame was applied."""
        del outcome
        self.times_s.append(asyncio.get_running_loop().time())

    def troubled(self, code: int, reason: str) -> None:
        """A socket was lost: that is a gap like any other."""

    def gaps_s(self, begin_s: float, end_s: float) -> list[float]:
        """The gaps that end within this time; silence at its end is a gap, too."""
        times = [time for time in self.times_s if begin_s <= time < end_s]
        return [after - before for before, after in pairwise([begin_s, *times, end_s])]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the bots saw in one stretch of time: frames a second of one bot, gaps in seconds."""

    frames_per_s: float
    gap_p99_s: float
    gap_max_s: float
    long_gaps_max: int


@dataclass(frozen=True, slots=True)
class Result:
    """One offender: the time without it, the time beside it, and whether that passes."""

    offender: str
    without: Figures
    beside: Figures

    @property
    def ratio(self) -> float:
        """How many times as long the 99th percentile of the gaps was."""
        return self.beside.gap_p99_s / self.without.gap_p99_s

    @property
    def passes(self) -> bool:
        """Whether its bar is kept."""
        if self.offender == HANG:
            return self.beside.gap_max_s < HANG_GAP_MAX_S and self.beside.long_gaps_max <= 1
        return self.ratio <= RATIO_MAX


def neighbours(offenders: Sequence[str] = OFFENDERS, beside_s: float = BESIDE_S) -> dict[str, Any]:
    """Measure each offender in turn."""
    results = [asyncio.run(measure(offender, beside_s)) for offender in offenders]
    return {
        "bots": BOTS,
        "offenders": [
            {**asdict(one), "ratio": round(one.ratio, 2), "passes": one.passes} for one in results
        ],
        "passes": all(one.passes for one in results),
    }


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{report['bots']} bots of coins beside one room that misbehaves, two workers, Valkey",
        f"{'':10}{'frames/s':>16}{'gap p99, ms':>18}{'longest gap, ms':>20}   bar",
    ]
    for one in report["offenders"]:
        before, after = one["without"], one["beside"]
        hang = one["offender"] == HANG
        bar = (
            f"one gap < {HANG_GAP_MAX_S:g} s" if hang else f"p99 {one['ratio']:.2f} <= {RATIO_MAX}"
        )
        lines.append(
            f"{one['offender']:10}"
            f"{before['frames_per_s']:>8.1f}{after['frames_per_s']:>8.1f}"
            f"{before['gap_p99_s'] * 1000:>9.0f}{after['gap_p99_s'] * 1000:>9.0f}"
            f"{before['gap_max_s'] * 1000:>10.0f}{after['gap_max_s'] * 1000:>10.0f}"
            f"   {bar}: {'kept' if one['passes'] else 'MISSED'}"
        )
    return "\n".join(lines)


async def measure(offender: str, beside_s: float) -> Result:
    """Bots without and beside one offender, on a server of their own."""
    with tempfile.TemporaryDirectory() as folder, valkey.running(folder) as store:
        port = own_port()
        log = Path(folder) / "server.log"
        games = f"coins,{FOLDER / offender}.py"
        command = [sys.executable, "-m", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--games", games, "--store", f"redis://127.0.0.1:{store}/0"]
        command += ["--workers", str(WORKERS), "--secret", "s" * 32]
        server = Child(command, ROOT, log)
        server.start()
        try:
            await until(
                lambda: log.read_text().count(" serves: worker ") >= WORKERS,
                f"{WORKERS} workers to serve: {log.read_text()}",
            )
            return await _play(offender, port, beside_s)
        finally:
            await server.kill()
            if os.environ.get("HOLDFAST_BENCH_LOG"):
                print(log.read_text(), file=sys.stderr)


async def _play(offender: str, port: int, beside_s: float) -> Result:
    rng, now = Random(1), asyncio.get_running_loop().time
    watchers = [Watcher() for _ in range(BOTS)]
    bots = [_bot("coins", "coins", port, rng) for _ in watchers]
    for bot, watcher in zip(bots, watchers, strict=True):
        bot.watcher = watcher
    tasks = [asyncio.ensure_future(bot.run()) for bot in bots]
    try:
        await asyncio.gather(*(bot.arrived.wait() for bot in bots))
        await asyncio.sleep(1.0)
        begin_s = now()
        await asyncio.sleep(QUIET_S)
        middle_s = now()
        villain = _bot(offender, "wanderer", port, rng)
        tasks.append(asyncio.ensure_future(villain.run()))
        await asyncio.sleep(AFTER_S.get(offender, 0.0))
        from_s = now()
        await asyncio.sleep(beside_s)
        end_s = now()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Result(
        offender,
        _figures([watcher.gaps_s(begin_s, middle_s) for watcher in watchers], middle_s - begin_s),
        _figures([watcher.gaps_s(from_s, end_s) for watcher in watchers], end_s - from_s),
    )


def _figures(gaps_s: list[list[float]], seconds: float) -> Figures:
    every = sorted(gap for one in gaps_s for gap in one)
    return Figures(
        # One gap more than frames.
        frames_per_s=sum(len(one) - 1 for one in gaps_s) / len(gaps_s) / seconds,
        gap_p99_s=every[int(len(every) * 0.99)],
        gap_max_s=every[-1],
        long_gaps_max=max(sum(gap > HANG_GAP_S for gap in one) for one in gaps_s),
    )


def _bot(game: str, brain: str, port: int, rng: Random) -> Bot:
    join = Join(rng.randbytes(16), game, {}, "bot")
    return Bot(
        f"ws://127.0.0.1:{port}/play",
        join,
        load_brain(brain),
        connect=open_websocket,
        clock=LoopClock(),
        rng=Random(rng.getrandbits(64)),
    )
