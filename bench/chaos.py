"""`make chaos DURATION=120 SEED=1`: real servers, a real store, and whatever a seed does to them.

Three servers share a Valkey; bots play in rooms of their own. Workers are killed and stopped,
servers are drained, the store is stopped and killed, at moments and for times drawn from the seed.
Then the checker judges each room's journal against what every player saw. The exit status is 0 if
nothing was found, and 1 if something was. `--unfenced` runs the control, in which a stale owner is
not refused: there the checker has to find something.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bench import loop
from bench.checker import Violation, judge, tally
from bench.cluster import Cluster
from bench.faults import BAG, Hand, Kind, plan
from bench.gaps import Spread
from bench.observer import Observer
from bench.players import Players
from server.loading import load_game
from server.store.open import open_store
from shared.errors import StoreError

SHOWN_MAX = 20
WARM_S = 2.0
SETTLED_S = 60.0
LOOKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does. `kinds` are the faults of one bag; `folder` keeps data and logs."""

    seconds: float
    seed: int
    rooms: int = 20
    players: int = 100
    servers: int = 3
    game: str = "coins"
    unfenced: bool = False
    store_nodes: int = 1
    kinds: Sequence[Kind] = BAG
    folder: Path | None = None


@dataclass(slots=True)
class Result:
    """What came of a run."""

    faults: Counter[Kind] = field(default_factory=Counter[Kind])
    violations: list[Violation] = field(default_factory=list[Violation])
    rooms: int = 0
    ticks: int = 0
    takeovers: int = 0
    frames: int = 0
    digests: int = 0
    inputs: int = 0
    resumes: int = 0
    gaps: Spread | None = None

    def __str__(self) -> str:
        lines = [f"{count:5}  {kind}" for kind, count in sorted(self.faults.items())]
        lines += [
            f"{self.rooms} rooms, {self.ticks} ticks, {self.takeovers} changes of owner",
            f"{self.frames} frames seen, {self.digests} views compared with the journal",
            f"{self.inputs} inputs acknowledged, {self.resumes} sessions resumed",
            f"time between two frames: {self.gaps}",
        ]
        lines += [str(violation) for violation in self.violations[:SHOWN_MAX]]
        if (more := len(self.violations) - SHOWN_MAX) > 0:
            lines.append(f"and {more} more")
        lines += [f"{count:5}  {what}" for what, count in tally(self.violations).items()]
        return "\n".join([*lines, f"{len(self.violations)} violations"])


async def run(wanted: Plan) -> Result:
    """Run a plan and judge it; RuntimeError where the run itself did not come off."""
    module = "bench.unfenced" if wanted.unfenced else "server"
    cluster = Cluster(
        wanted.servers,
        games=(wanted.game,),
        folder=wanted.folder,
        proxy="relay",
        module=module,
        store_nodes=wanted.store_nodes,
    )
    async with cluster:
        store = open_store(cluster.valkey.url, lambda: 0)
        await store.open()
        observer = Observer(store, {wanted.game: load_game(wanted.game, wanted.game).game})
        watching = asyncio.ensure_future(observer.run())
        players = Players(cluster, wanted.game, wanted.seed)
        hand = Hand(cluster, print)
        try:
            await _seat(players, wanted)
            await hand.work(plan(wanted.seed, wanted.seconds, wanted.servers, wanted.kinds))
            async with asyncio.timeout(SETTLED_S):
                await players.settle()
            await _end(players, observer)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await players.leave()
            await store.close()
    return _judged(players, observer, hand)


async def _seat(players: Players, wanted: Plan) -> None:
    for number in range(wanted.rooms):
        seats = (wanted.players * (number + 1)) // wanted.rooms
        seats -= (wanted.players * number) // wanted.rooms
        room = await players.open_room(number % wanted.servers)
        await players.fill(room, seats)
    await asyncio.sleep(WARM_S)


async def _end(players: Players, observer: Observer) -> None:
    """See each room as somebody does who comes now, and have its journal up to that tick."""
    looks = await asyncio.gather(*(players.look(room) for room in players.rooms))
    witnesses = [*(player.witness for player in players.all), *looks]
    for _ in range(LOOKS_MAX):
        with contextlib.suppress(StoreError):
            await observer.recover()
            await observer.look()
            break
        await asyncio.sleep(1.0)
    for witness in witnesses:
        observer.histories[witness.room].witnesses.append(witness)


def _judged(players: Players, observer: Observer, hand: Hand) -> Result:
    result = Result(faults=hand.done)
    gaps: list[float] = []
    for history in observer.histories.values():
        result.violations += judge(history)
        result.rooms += 1
        result.ticks += len(history.writes)
        result.takeovers += len({record.epoch for record in history.writes}) - 1
    for player in players.all:
        frames = player.witness.frames
        result.frames += len(frames)
        result.digests += sum(seen.crc is not None for seen in frames)
        result.inputs += player.bot.session.stats.inputs_acked
        result.resumes += max(0, player.bot.connection.welcomes - 1)
        gaps += [b.at_s - a.at_s for a, b in pairwise(frames)]
    result.gaps = Spread.of(gaps)
    return result


def main() -> None:
    """Run what the command line says; exits with 1 where something was found that must not be."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=1, help="what goes wrong, and when")
    parser.add_argument("--rooms", type=int, default=20, help="rooms that are played in")
    parser.add_argument("--players", type=int, default=100, help="bots, over all rooms")
    parser.add_argument("--servers", type=int, default=3, help="servers to begin with")
    parser.add_argument("--store-nodes", type=int, default=1, help="Valkeys that share the keys")
    parser.add_argument("--folder", type=Path, help="keep the data and the logs there")
    parser.add_argument("--unfenced", action="store_true", help="the control, which must fail")
    told = parser.parse_args()
    wanted = Plan(
        told.seconds,
        told.seed,
        rooms=told.rooms,
        players=told.players,
        servers=told.servers,
        unfenced=told.unfenced,
        store_nodes=told.store_nodes,
        folder=told.folder,
    )
    result = loop.run(run(wanted))
    print(f"chaos, seed {told.seed}, {told.seconds:g} s of faults\n{result}")
    raise SystemExit(1 if result.violations else 0)


if __name__ == "__main__":
    main()
