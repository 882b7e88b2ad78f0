"""`python -m bench.renewals`: connections that live three seconds, under load and with kills.

Bots play through the proxy on three servers, and each of their connections is replaced before its
time is up. Printed are the gaps around renewals beside all gaps, and what was lost, once in quiet
and once while the owners of rooms are killed (SIGKILL). The exit status is 1 where an input was
lost or doubled, a tick came twice, a view differed, or there were fewer renewals than asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from bench.cluster import Cluster

LIFETIME_S = 3
KILL_EVERY_S = 6.0
NOTHING = ("inputs_lost", "inputs_doubled", "divergence", "ticks_back", "player_changed")


async def swarm(url: str, count: int, seconds: float) -> dict[str, Any]:
    """The report of so many bots."""
    flags = ["--game", "coins", "--url", url, "--count", str(count), "--seconds", f"{seconds:g}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bots",
        "swarm",
        *flags,
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    found: dict[str, Any] = json.loads(out)
    return found


async def kill_owners(cluster: Cluster) -> int:
    """Kill the owner of some room, again and again, until cancelled; how often is in the end."""
    kills = 0
    try:
        while True:
            await asyncio.sleep(KILL_EVERY_S)
            status, body = await cluster.servers[kills % 3].ask("/api/rooms")
            rooms: list[Any] = json.loads(body)["rooms"] if status == 200 else []
            for server in cluster.servers:
                if rooms and server.name == rooms[0]["owner"]:
                    await server.kill()
                    kills += 1
                    await server.ready()
                    break
    except asyncio.CancelledError:
        return kills


async def measure(bots: int, renewals: int, *, kills: bool) -> tuple[dict[str, Any], int]:
    """Play until there should have been so many renewals."""
    seconds = renewals / bots * LIFETIME_S + 10
    flags = ("--connection-lifetime-s", str(LIFETIME_S), "--digest-ticks", "20")
    async with Cluster(processes=3, games=("coins",), flags=flags) as cluster:
        killing = asyncio.create_task(kill_owners(cluster)) if kills else None
        found = await swarm(cluster.ws_url, bots, seconds)
        count = 0
        if killing is not None:
            killing.cancel()
            count = await killing
    return found, count


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.renewals", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--bots", type=int, default=50, help="bots that play meanwhile")
    parser.add_argument("--renewals", type=int, default=1000, help="renewals to wait for")
    options = parser.parse_args()
    wrong: list[str] = []
    for kills in (False, True):
        found, killed = asyncio.run(measure(options.bots, options.renewals, kills=kills))
        name = f"owners killed {killed} times" if kills else "nobody killed"
        print(f"{name}: {found['renewals']} renewals, {found['resumes']} resumes")
        for key in ("gap_ms", "renewal_gap_ms", "resume_gap_ms"):
            print(f"  {key}: {found[key]}")
        print("  " + ", ".join(f"{key} {found[key]}" for key in NOTHING))
        wrong += [f"{name}: {key} is {found[key]}" for key in NOTHING if found[key]]
        # Where somebody is killed, his connections are resumed instead of renewed.
        if found["renewals"] + found["resumes"] < options.renewals:
            wrong.append(f"{name}: only {found['renewals']} renewals")
    for line in wrong:
        print(f"WRONG {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
