"""What is done to a scene, one at a time and always after a calm: kills, moves, pauses, nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from bench.scene import Measured, Scene
from server.command_error import CommandError
from server.commands import move
from server.host.clock import LoopClock
from server.store.exchange import Exchange

WINDOW_S = 2.0
MOVE_WINDOW_S = 1.0
STORE_PAUSE_S = 0.3
AFTER_PAUSE_S = 2.0


@dataclass(slots=True)
class Kills:
    """`others` are players of the killed process's rooms on other edges; `own` were its clients."""

    others: Measured = field(default_factory=Measured)
    own: Measured = field(default_factory=Measured)


async def kill(scene: Scene, count: int, rng: Random) -> Kills:
    """SIGKILL the owner of some rooms, so many times."""
    found = Kills()
    for _ in range(count):
        await scene.calm()
        await asyncio.sleep(WINDOW_S)
        owners = await scene.owners()
        server = rng.choice(sorted(set(owners.values())))
        everybody = scene.players.all
        own = [player for player in everybody if player.line.at == server]
        others = [
            player
            for player in everybody
            if player.line.at != server and owners.get(player.witness.room) == server
        ]
        at_s = scene.now()
        await scene.cluster.servers[server].kill()
        await asyncio.sleep(WINDOW_S)
        found.others.note(others, at_s, WINDOW_S, WINDOW_S)
        found.own.note(own, at_s, WINDOW_S, WINDOW_S)
    return found


@dataclass(slots=True)
class Moves:
    """Planned moves: the silences around them, and those that did not come off, each with why."""

    measured: Measured = field(default_factory=Measured)
    failed: list[str] = field(default_factory=list[str])


async def moves(scene: Scene, exchange: Exchange, count: int, rng: Random) -> Moves:
    """Have rooms handed over to another process, as `python -m server move` does."""
    found = Moves()
    await scene.calm()
    rooms = sorted(scene.players.rooms)
    for _ in range(count):
        await asyncio.sleep(MOVE_WINDOW_S)
        room = rng.choice(rooms)
        at_s = scene.now()
        try:
            await move(room, None, scene.store, exchange, LoopClock())
        except CommandError as error:
            found.failed.append(str(error))
            continue
        await asyncio.sleep(MOVE_WINDOW_S)
        here = scene.players.rooms[room]
        found.measured.note(here, at_s, MOVE_WINDOW_S, MOVE_WINDOW_S)
    return found


async def quiet(scene: Scene, minutes: float) -> int:
    """Do nothing; how many epochs rose meanwhile, each a takeover without a reason."""
    await scene.calm()
    before = await scene.epochs()
    await asyncio.sleep(minutes * 60)
    return _rose(before, await scene.epochs())


async def pauses(scene: Scene, count: int) -> tuple[int, int]:
    """Stop the store for a moment; how many rooms changed hands for it, and of how many."""
    changed = asked = 0
    for _ in range(count):
        await scene.calm()
        before = await scene.epochs()
        await scene.cluster.valkey.pause(STORE_PAUSE_S)
        await asyncio.sleep(AFTER_PAUSE_S)
        changed += _rose(before, await scene.epochs())
        asked += len(before)
    return changed, asked


def _rose(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(after.get(room, 0) > epoch for room, epoch in before.items())
