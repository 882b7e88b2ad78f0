"""`make bench-failover`: what a dying, a moving and a hesitating process cost those who play.

    kills    owners killed (SIGKILL), 20 Hz: per kill the longest silence any player on another edge
             saw, and any whose own process it was, each beside the same statistic without a kill
    moves    rooms handed over as planned, measured alike
    quiet    minutes in which nothing is done: no room may change hands
    pauses   the store stopped for 300 ms: how many rooms changed hands for it
    storm    a process killed with hundreds of rooms: when they tick again, and who else felt it

A machine that is busy with something else misses the bars by itself: the control shows it, and it
is said. The exit status is 1 where a bar was missed or cannot be judged, or where the checker found
something. The last line names the p99 of the kills.
"""

from __future__ import annotations

import argparse
import logging
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench import disturbances, loop
from bench.checker import Violation
from bench.gaps import Spread
from bench.scene import Measured, Scene
from bench.storm import storm
from server.host.clock import LoopClock
from server.store.open import open_exchange

LOG = logging.getLogger("bench.failover")
PARTS = ("kills", "moves", "quiet", "pauses", "storm")
ROOMS = 6
SEATS = 4
TICK_MS = 50.0

OTHERS_P99_MS = 350.0
OWN_P99_MS = 2000.0
MOVE_P99_TICKS = 2.0
MOVE_MAX_TICKS = 4.0
PAUSED_SHARE = 0.15
STORM_RATIO = 2.0


@dataclass(slots=True)
class Findings:
    """What is printed in the end; `missed` are the bars that were."""

    lines: list[str] = field(default_factory=list[str])
    missed: list[str] = field(default_factory=list[str])
    p99_ms: float | None = None

    def bar(self, name: str, value: float, bar: float, unit: str) -> None:
        """Compare a figure with its bar."""
        fits = value <= bar
        self.lines.append(f"  {name}: {value:g} {unit} (bar {bar:g}){'' if fits else '  MISSED'}")
        if not fits:
            self.missed.append(f"{name} is {value:g} {unit}, the bar is {bar:g}")

    def silences(
        self, name: str, per: str, measured: Measured, p99_ms: float, most_ms: float | None = None
    ) -> Spread | None:
        """Compare the silences of some moments with their bars; their spread.

        A machine that misses a bar when it is left alone cannot tell whether we do.
        """
        found, control = measured.spreads()
        self.lines.append(f"{name}, longest silence per {per}: {found}")
        self.lines.append(f"  the same without one: {control}")
        if found is None or control is None:
            self.missed.append(f"{name}: nothing was measured")
            return None
        bars = [("p99", found.p99, control.p99, p99_ms)]
        if most_ms is not None:
            bars.append(("longest", found.most, control.most, most_ms))
        for what, value, alone, bar in bars:
            if alone > bar:
                self.missed.append(
                    f"{name}, {what}: cannot be judged here, where it is {alone:g} ms without "
                    f"any {per}; the bar is {bar:g} ms"
                )
            else:
                self.bar(f"{name}, {what}", value, bar, "ms")
        return found


async def run(told: argparse.Namespace) -> Findings:
    """Measure what was asked for, in the order of `PARTS`."""
    findings = Findings()
    parts = told.parts or PARTS
    if set(parts) - {"storm"}:
        async with Scene.set_up(told.rooms, told.seats, folder=told.folder) as scene:
            await _on_a_scene(scene, parts, told, findings)
    if "storm" in parts:
        await _storm(told, findings)
    return findings


async def _on_a_scene(
    scene: Scene, parts: tuple[str, ...], told: argparse.Namespace, findings: Findings
) -> None:
    rng = Random(told.seed)
    if "quiet" in parts:
        rose = await disturbances.quiet(scene, told.minutes)
        findings.bar(f"takeovers in {told.minutes:g} quiet minutes", rose, 0, "rooms")
    moves = kills = None
    if "moves" in parts:
        url = scene.cluster.valkey.url
        exchange = open_exchange(url, LoopClock().now, secrets.token_bytes, LOG)
        await exchange.open()
        try:
            moves = await disturbances.moves(scene, exchange, told.moves, rng)
        finally:
            await exchange.close()
    if "pauses" in parts:
        changed, asked = await disturbances.pauses(scene, told.pauses)
        share = round(changed / asked, 3) if asked else 1.0
        findings.bar("rooms moved by a store pause of 300 ms", share, PAUSED_SHARE, "of all")
    if "kills" in parts:
        kills = await disturbances.kill(scene, told.kills, rng)
    violations = await scene.judge()
    # The silences are complete only now.
    if moves is not None:
        _moves(moves, findings)
    if kills is not None:
        _kills(kills, findings)
    _judged(violations, findings)


def _kills(kills: disturbances.Kills, findings: Findings) -> None:
    name = "owner killed, players on other edges"
    others = findings.silences(name, "kill", kills.others, OTHERS_P99_MS)
    findings.p99_ms = others.p99 if others is not None else None
    findings.silences("own process killed, reconnect included", "kill", kills.own, OWN_P99_MS)


def _moves(moves: disturbances.Moves, findings: Findings) -> None:
    p99_ms, most_ms = MOVE_P99_TICKS * TICK_MS, MOVE_MAX_TICKS * TICK_MS
    findings.silences("planned move", "move", moves.measured, p99_ms, most_ms)
    findings.bar("moves that did not come off", len(moves.failed), 0, "moves")
    findings.lines += [f"    {why}" for why in moves.failed]


def _judged(violations: list[Violation], findings: Findings) -> None:
    findings.bar("violations found by the checker", len(violations), 0, "violations")
    findings.lines += [f"    {violation}" for violation in violations[:20]]


async def _storm(told: argparse.Namespace, findings: Findings) -> None:
    found = await storm(told.storm_rooms, told.storm_rooms // 2, told.folder)
    for name, rooms, back_s in (
        ("followed by another process", found.followed, found.followed_s),
        ("followed by nobody", found.unfollowed, found.unfollowed_s),
    ):
        if back_s is None:
            findings.missed.append(f"storm: 1 % of the rooms {name} never ticked again")
        shown = "never" if back_s is None else f"{back_s:.2f} s"
        findings.lines.append(f"storm, {rooms} rooms {name}: 99 % ticked again after {shown}")
    findings.bar("rooms that did not tick in the end", found.stopped, 0, "rooms")
    during, before = found.p99_during_ms, found.p99_before_ms
    findings.lines.append(f"  untouched rooms' ticks, p99: {during:g} ms, before {before:g} ms")
    findings.bar("untouched rooms' p99 against before", round(found.ratio, 2), STORM_RATIO, "times")


def main() -> None:
    """Measure what the command line says; exits with 1 where a bar was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failover",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[[], *PARTS],
        metavar="PART",
        help=f"{', '.join(PARTS)}; all without a name",
    )
    parser.add_argument("--kills", type=int, default=200, help="owners to be killed")
    parser.add_argument("--moves", type=int, default=200, help="rooms to be handed over")
    parser.add_argument("--minutes", type=float, default=10.0, help="quiet minutes")
    parser.add_argument("--pauses", type=int, default=20, help="pauses of the store")
    parser.add_argument("--rooms", type=int, default=ROOMS, help="rooms that are played in")
    parser.add_argument("--seats", type=int, default=SEATS, help="players in each room")
    parser.add_argument("--storm-rooms", type=int, default=500, help="rooms whose owner dies")
    parser.add_argument("--seed", type=int, default=1, help="which owners and rooms")
    parser.add_argument("--folder", type=Path, help="keep the data and the logs there")
    findings = loop.run(run(parser.parse_args()))
    print("\n".join(findings.lines))
    for missed in findings.missed:
        print(f"MISSED: {missed}")
    if findings.p99_ms is not None:
        print(f"failover p99: {findings.p99_ms:g} ms")
    raise SystemExit(1 if findings.missed else 0)


if __name__ == "__main__":
    main()
