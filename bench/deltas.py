"""What a tick costs in bytes and CPU, without sockets: pure code, measured in this process."""

from __future__ import annotations

import time
from random import Random
from statistics import median
from typing import Any

from bots.brains import Brain, load_brain
from server.core.fanout import Fanout
from server.core.inbox import Item
from server.core.journal import encode_record
from server.core.room import Room, SeatRequest
from server.loading import load_game
from shared.entities import Entity
from shared.entities import Room as RoomRow
from shared.fields import fixed, text, u8
from shared.game import Game
from shared.inputs import Options
from shared.match import Match
from shared.messages import Frame, decode_from_server
from shared.schema import describe, parse
from shared.session import ServerSession
from shared.view import View

ARENA_TICKS = 1200
ARENA_WARM_TICKS = 100


class Mover(Entity):
    """The entity of the delta study: a place on a grid, three small numbers, a name."""

    x: float = fixed(1 / 128)
    y: float = fixed(1 / 128)
    heading: int = u8()
    hp: int = u8(100)
    team: int = u8()
    name: str = text(16)


class Field(Game):
    """Nothing but movers."""

    entities = (Mover,)


def delta_bytes() -> list[dict[str, Any]]:
    """Bytes of the public delta by rows and share of them that moves, medians of 50 ticks."""
    lines: list[dict[str, Any]] = []
    for rows in (50, 200, 1000):
        for share in (1.0, 0.1):
            rng = Random(rows)
            match = Match(Field(), Options(), 1)
            match.begin_tick()
            match.spawn(RoomRow())
            movers = [
                match.spawn(Mover(x=rng.uniform(0, 250), y=rng.uniform(0, 250), name=f"m{n}"))
                for n in range(rows)
            ]
            match.commit()
            sizes: list[int] = []
            took: list[float] = []
            for _ in range(50):
                match.begin_tick()
                moving = movers if share == 1.0 else rng.sample(movers, int(rows * share))
                began = time.process_time()
                for mover in moving:
                    mover.x = (mover.x + 0.31) % 250
                    mover.y = (mover.y + 0.17) % 250
                sizes.append(len(match.commit().public.data))
                took.append(time.process_time() - began)
            moved = int(rows * share)
            lines.append(
                {
                    "rows": rows,
                    "moving": moved,
                    "bytes": int(median(sizes)),
                    "bytes_per_moving_row": round(median(sizes) / moved, 2),
                    "cpu_us": round(median(took) * 1e6),
                }
            )
    return lines


def arena_cost() -> dict[str, Any]:
    """Sixteen brains in one room of arena, as players: bytes and CPU per player."""
    loaded = load_game("arena", "arena")
    game = loaded.game
    room = Room("benchbenchbench", Match(game, game.options(), 7), 1)
    for number in range(16):
        room.join(SeatRequest(bytes([number]) * 16, f"P{number}"))
    players = list(room.step().seated.values())
    room.present = set(players)
    schema = parse(describe(game))
    views = {player: View(schema, player) for player in players}
    sessions = {player: ServerSession(player, 0, 0, 1, room.match.tick) for player in players}
    brains = {player: load_brain("arena") for player in players}
    rng = Random(7)
    step_s: list[float] = []
    frame_bytes = record_bytes = 0
    for tick in range(ARENA_TICKS):
        for player, view in views.items():
            if view.tick:
                ask(room, player, brains[player], view, rng)
        began = time.process_time()
        step = room.step()
        record = encode_record(step.commit)
        fanout = Fanout(room.match, step.commit)
        frames = {player: fanout.frame(session) for player, session in sessions.items()}
        took = time.process_time() - began
        for player, payload in frames.items():
            frame = decode_from_server(payload)
            assert isinstance(frame, Frame)
            views[player].apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        if tick >= ARENA_WARM_TICKS:
            step_s.append(took)
            frame_bytes += sum(len(frame) for frame in frames.values())
            record_bytes += len(record)
    if len(room.match.players) != len(players):
        raise RuntimeError("players left the room; this is no measurement")
    ticks = ARENA_TICKS - ARENA_WARM_TICKS
    rate = game.tick_rate
    return {
        "players": len(players),
        "bytes_per_player_s": round(frame_bytes / ticks / len(players) * rate),
        "journal_bytes_per_s": round(record_bytes / ticks * rate),
        "cpu_ms_per_tick": {
            "median": round(median(step_s) * 1000, 3),
            "max": round(max(step_s) * 1000, 3),
        },
        "core_share_per_player_percent": round(sum(step_s) / ticks * rate / len(players) * 100, 3),
        "note": "rules, commit, record and frames; sockets and store apart",
    }


def ask(room: Room, player: int, brain: Brain, view: View, rng: Random) -> None:
    """Let a brain's answer to what it sees be its player's next input."""
    answer = brain.think(view, rng)
    sample = answer[0] if isinstance(answer, tuple) else answer
    if sample is not None:
        asked = room.game.input.from_wire(sample.to_wire())
        room.submit(player, [Item(room_seq(room, player) + 1, asked, ())])


def room_seq(room: Room, player: int) -> int:
    """The last input applied for a player."""
    row = room.match.get(room.game.player, player)
    return row.input_seq if row is not None else 0
