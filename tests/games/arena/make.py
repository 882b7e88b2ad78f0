"""Write the ticks game.py and predict.js must both make: `python -m tests.games.arena.make`."""

from __future__ import annotations

import json
from math import pi
from pathlib import Path
from random import Random
from typing import Any

from games.arena import balance
from games.arena.game import Arena
from games.arena.map import WALLS
from games.arena.rows import Driver, Setup, Steer, Tank
from holdfast import Inputs, Match

FILE = Path(__file__).parent / "ticks.json"
DRIVES = 6
TICKS = 200
ANGLE = 32768 / pi


def made() -> dict[str, Any]:
    """The balance a page repeats, the walls, and drives: all numbers in wire form.

    A tick is [drive, turn, aim, x, y, heading, turret]: the input, and the tank after it.
    """
    numbers = {name: value for name, value in vars(balance).items() if name.isupper()}
    drives = [_drive(Random(seed), seed) for seed in range(DRIVES)]
    return {"balance": numbers, "walls": [list(wall) for wall in WALLS], "drives": drives}


def text() -> str:
    """The file's text, a drive a line."""
    parts = made()
    drives = ",\n".join(json.dumps(drive, separators=(",", ":")) for drive in parts["drives"])
    head = json.dumps({key: parts[key] for key in ("balance", "walls")}, separators=(",", ":"))
    return f'{head[:-1]},\n"drives":[\n{drives}\n]}}\n'


def _drive(rng: Random, seed: int) -> dict[str, Any]:
    game = Arena()
    match = Match(game, Setup(minutes=15), seed)
    match.begin_tick()
    match.spawn(game.room())
    game.start(match)
    driver = match.spawn(Driver(name="Ada"))
    game.join(match, driver)
    match.commit()
    tank = match.all(Tank)[0]
    start = _wire(tank)
    ticks: list[list[int]] = []
    pull = (0, 0, 0)
    for _ in range(TICKS):
        if rng.random() < 0.12:
            # Mostly full ahead, so that there is a wall to slide along before long.
            drive = rng.choice((16, 16, 16, -16, 0, rng.randint(-16, 16)))
            turn = rng.choice((0, 0, 16, -16, rng.randint(-16, 16)))
            pull = (drive, turn, rng.randint(-32768, 32767))
        match.begin_tick()
        steer = Steer(drive=pull[0] / 16, turn=pull[1] / 16, aim=pull[2] / ANGLE)
        game.step(match, Inputs(Steer(), {driver.id: steer}))
        match.commit()
        ticks.append([*pull, *_wire(tank)])
    return {"start": start, "ticks": ticks}


def _wire(tank: Tank) -> list[int]:
    places = (tank.x * 1024, tank.y * 1024)
    return [round(n) for n in (*places, tank.heading * ANGLE, tank.turret * ANGLE)]


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
