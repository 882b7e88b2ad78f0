"""How arena feels over a bad network: `python -m bench.feel`, in virtual time and under one seed.

The server is the real core (rooms, inboxes, fan-out), the client the browser's SDK in Node, and
between them is a TCP connection as a lossy network makes it: each message takes 150 ms, 50 ms more
or less, each way, in order; every five seconds nothing comes through for 300 ms, then all at once.

One player's controls are a script; five others drive at random. What is drawn sixty times a second
is compared with what the server committed:

    jump     how much farther a tank's picture moves than any tank can between two pictures
    halted   share of pictures in which another tank that drives stands still
    away     how far the own tank is drawn from where the inputs taken so far will put it
    answer   from the first moment of a key to the own tank's first change
"""

from __future__ import annotations

import argparse
import json
import subprocess
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import hypot, isfinite, pi
from pathlib import Path
from random import Random
from typing import Any

from games.arena import balance
from games.arena.game import Arena
from games.arena.rows import Setup, Steer, Tank
from server.core.fanout import Fanout
from server.core.inbox import Item, decode_items
from server.core.room import Room, SeatRequest
from shared.from_client import decode_from_client
from shared.match import Match
from shared.messages import InputMessage, Join, Time, TimeAnswer, Welcome
from shared.schema import describe
from shared.session import ServerSession

WAYS = ("newest", "interpolated", "adaptive", "predicted", "smoothed")
CLIENT = Path(__file__).with_suffix(".js")
TICK_MS = 1000 / balance.TICK_RATE
PICTURE_MS = 1000 / 60
DELAY_MS, JITTER_MS = 150.0, 50.0
STALL_MS, STALL_EVERY_MS = 300.0, 5000.0
# What the client learns first (its delay, the ping) is not judged.
WARM_MS = 3000.0
OTHERS = 5
# The longest way a tank drives between two pictures, and half of it again for a turn of the wheel.
STEP_MAX = balance.TANK_SPEED * PICTURE_MS / 1000
Place = tuple[float, float, float]


class Way:
    """One direction of a TCP connection: late, uneven, in order, and stalled now and then."""

    def __init__(self, rng: Random, stalls_from_ms: float) -> None:
        self._rng = rng
        self._stalls_from_ms = stalls_from_ms
        self._last_ms = 0.0

    def arrival_ms(self, sent_ms: float) -> float:
        """When what is sent now arrives."""
        due = sent_ms + DELAY_MS + self._rng.uniform(-JITTER_MS, JITTER_MS)
        into = (due - self._stalls_from_ms) % STALL_EVERY_MS
        if due >= self._stalls_from_ms and into < STALL_MS:
            due += STALL_MS - into
        self._last_ms = max(due, self._last_ms)
        return self._last_ms


class Authority:
    """The server's side: a room of arena with the player and the others, a tick at a time."""

    def __init__(self, seed: int) -> None:
        self.room = Room("feel", Match(Arena(), Setup(minutes=15), seed), epoch=1)
        self.session: ServerSession | None = None
        # Where each tank was after each tick, and after how many of the player's inputs.
        self.places: list[dict[int, Place]] = []
        self.after: dict[int, Place] = {}
        self._rng = Random(seed + 1)
        self._pulls = [Steer() for _ in range(OTHERS)]
        self._seqs = 0
        for number in range(OTHERS):
            self.room.join(SeatRequest(b"%16d" % number, f"other {number}"))

    def hear(self, payload: bytes, now_ms: float) -> list[bytes]:
        """Take in a message; what is answered at once."""
        message = decode_from_client(payload)
        if isinstance(message, Join):
            self.room.join(SeatRequest(b"p" * 16, "Ada"))
        elif isinstance(message, InputMessage) and self.session is not None:
            fresh = self.session.take(message, self.room.match.tick)
            self.room.submit(self.session.player, decode_items(self.room.game, fresh))
        elif isinstance(message, Time):
            return [TimeAnswer(message.client_ms, now_ms, self.room.match.tick).encode()]
        return []

    def tick(self) -> list[bytes]:
        """One tick; the messages it brings the player."""
        room, match = self.room, self.room.match
        for number in range(OTHERS):
            self._drive(number)
        room.present = {player.id for player in match.players}
        step = room.step()
        self.places.append({t.owner: (t.x, t.y, t.heading) for t in match.all(Tank)})
        answers: list[bytes] = []
        player = step.seated.get(b"p" * 16)
        if player is not None:
            self.session = ServerSession(player, 0, 0, 1, match.tick)
            schema = describe(match.game)
            welcome = Welcome(b"token", "feel", 1, player, balance.TICK_RATE, 1, schema)
            answers.append(welcome.encode())
        if self.session is not None:
            row = match.get(match.game.player, self.session.player)
            assert row is not None
            self.after[row.input_seq] = self.places[-1][self.session.player]
            if self.session.due(match.tick, balance.TICK_RATE, 0):
                answers.append(Fanout(match, step.commit).frame(self.session))
        return answers

    def _drive(self, number: int) -> None:
        seat = self.room.seat_of(b"%16d" % number)
        if seat is None:
            return
        rng = self._rng
        if rng.random() < 0.08:
            turn = rng.choice((0.0, 0.0, rng.uniform(-1, 1)))
            self._pulls[number] = Steer(drive=rng.choice((1.0, 1.0, -1.0, 0.0)), turn=turn)
        self._seqs += number == 0
        self.room.submit(seat, [Item(self._seqs, self._pulls[number], ())])


@dataclass(slots=True)
class Seen:
    """What was measured of one way to draw, in units and milliseconds."""

    jumps: list[float] = field(default_factory=list[float])
    own_jumps: list[float] = field(default_factory=list[float])
    halted: list[bool] = field(default_factory=list[bool])
    away: list[float] = field(default_factory=list[float])
    answers: list[float] = field(default_factory=list[float])
    delays: list[float] = field(default_factory=list[float])
    clock_errors: list[float] = field(default_factory=list[float])
    unanswered: int = 0

    def figures(self) -> dict[str, float]:
        """The figures of a line of the table."""
        return {
            "others_jump_max": round(max(self.jumps), 3),
            "others_jump_p99": round(ranked(self.jumps, 0.99), 3),
            "others_halted_percent": round(100 * sum(self.halted) / len(self.halted), 2),
            "others_behind_ms": round(TICK_MS * ranked(self.delays, 0.5)),
            "own_jump_max": round(max(self.own_jumps), 3),
            "own_jump_p99": round(ranked(self.own_jumps, 0.99), 3),
            "own_away_p50": round(ranked(self.away, 0.5), 3),
            "own_away_p95": round(ranked(self.away, 0.95), 3),
            "answer_ms_p50": round(ranked(self.answers, 0.5)),
            "answer_ms_max": round(max(self.answers)),
            "unanswered": self.unanswered,
            "clock_error_ms_p95": round(TICK_MS * ranked(self.clock_errors, 0.95)),
        }


def ranked(values: list[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def script(seed: int, until_ms: float) -> list[tuple[float, dict[str, Any]]]:
    """Controls: the tank rests, then drives a curve for a while, and again."""
    rng = Random(seed + 2)
    rest = {"drive": 0.0, "turn": 0.0, "aim": 0.0, "fire": False}
    now, found = 0.0, [(0.0, rest)]
    while now < until_ms:
        # Not in step with ticks or pictures.
        now += rng.uniform(900, 1300)
        turn = rng.choice((-1, 1)) * rng.randint(4, 12) / 16
        aim = rng.uniform(-pi, pi - 0.01)
        found.append((now, {"drive": rng.choice((1.0, 1.0, -1.0)), "turn": turn, "aim": aim}))
        found[-1][1]["fire"] = False
        now += rng.uniform(400, 1200)
        found.append((now, rest | {"aim": aim}))
    return found


class Run:
    """One client over one network for some time; `pictures` are (ms, what was drawn)."""

    def __init__(self, way: str, seconds: float, seed: int) -> None:
        self.authority = Authority(seed)
        self.controls = script(seed, seconds * 1000)
        self.pictures: list[tuple[float, dict[str, Any]]] = []
        self._events: list[tuple[float, int, str, bytes]] = []
        self._count = 0
        self._up = Way(Random(seed + 3), STALL_EVERY_MS / 2)
        self._down = Way(Random(seed + 4), STALL_EVERY_MS)
        command = ["node", str(CLIENT), way, json.dumps(self.controls)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            self._client = client
            self._plan(0, "down", b"")
            self._plan(TICK_MS, "tick")
            self._plan(7.0, "picture")
            while self._events and self._events[0][0] < seconds * 1000:
                now, _, what, payload = heappop(self._events)
                self._happen(now, what, payload)
            client.communicate()
        if client.returncode:
            raise RuntimeError(f"{CLIENT.name} ended with {client.returncode}")

    def _plan(self, at_ms: float, what: str, payload: bytes = b"") -> None:
        self._count += 1
        heappush(self._events, (at_ms, self._count, what, payload))

    def _happen(self, now: float, what: str, payload: bytes) -> None:
        if what == "tick":
            for message in self.authority.tick():
                self._plan(self._down.arrival_ms(now), "down", message)
            self._plan(now + TICK_MS, "tick")
        elif what == "up":
            for message in self.authority.hear(payload, now):
                self._plan(self._down.arrival_ms(now), "down", message)
        elif what == "down":
            self._tell(now, hear=b64encode(payload).decode())
        else:
            drawn = self._tell(now, picture=True)
            if drawn is not None:
                self.pictures.append((now, drawn))
            self._plan(now + PICTURE_MS, "picture")

    def _tell(self, now: float, **what: Any) -> dict[str, Any] | None:
        """What the client draws, if it is asked to; what it sends is on its way."""
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write(json.dumps({"now": now} | what) + "\n")
        self._client.stdin.flush()
        answer = json.loads(self._client.stdout.readline())
        for sent_ms, message in answer["sent"]:
            self._plan(max(now, self._up.arrival_ms(sent_ms)), "up", b64decode(message))
        drawn: dict[str, Any] | None = answer["drawn"]
        return drawn


def judged(run: Run) -> Seen:
    """Compare what was drawn with what the server committed."""
    seen = Seen()
    own = run.authority.session
    assert own is not None
    before: dict[int, Place] = {}
    for now, drawn in run.pictures:
        tanks: dict[int, Place] = {owner: (x, y, h) for _, owner, x, y, h in drawn["tanks"]}
        if now > WARM_MS and before:
            for owner, (x, y, _) in tanks.items():
                step = hypot(x - before[owner][0], y - before[owner][1])
                jumps = seen.own_jumps if owner == own.player else seen.jumps
                jumps.append(max(0.0, step - STEP_MAX))
                true = _true_step(run.authority.places, owner, drawn["tick"])
                if owner != own.player and true > STEP_MAX / 2:
                    seen.halted.append(step < true / 5)
            after = run.authority.after.get(drawn["samples"])
            if after is not None:
                seen.away.append(
                    hypot(tanks[own.player][0] - after[0], tanks[own.player][1] - after[1])
                )
            seen.delays.append(drawn["delay"])
            seen.clock_errors.append(abs(drawn["clock"] - now / TICK_MS))
        before = tanks
    _answers(run, own.player, seen)
    return seen


def _true_step(places: list[dict[int, Place]], owner: int, tick: float) -> float:
    """How far a tank truly drove between two pictures about this tick."""
    at = min(len(places) - 1, int(tick))
    if at < 1 or owner not in places[at - 1]:
        return 0.0
    (ax, ay, _), (bx, by, _) = places[at - 1][owner], places[at][owner]
    return hypot(bx - ax, by - ay) * PICTURE_MS / TICK_MS


def _answers(run: Run, player: int, seen: Seen) -> None:
    """From each key that ends a rest to the first picture in which the own tank is elsewhere."""
    places = [
        (now, next((x, y, h) for _, owner, x, y, h in drawn["tanks"] if owner == player))
        for now, drawn in run.pictures
    ]
    ends = [at for at, _ in run.controls[1:]]
    for (pressed, controls), end in zip(run.controls[1:], [*ends[1:], ends[-1]], strict=True):
        if pressed < WARM_MS or not controls["drive"]:
            continue
        rest = [place for now, place in places if pressed - 100 <= now <= pressed]
        if not rest or any(_far(place, rest[0]) for place in rest) or end >= places[-1][0] - 1000:
            continue
        moved = [now for now, place in places if now > pressed and _far(place, rest[0])]
        if moved and moved[0] < end + 1500:
            seen.answers.append(moved[0] - pressed)
        else:
            seen.unanswered += 1


def _far(a: Place, b: Place) -> bool:
    return hypot(a[0] - b[0], a[1] - b[1]) > 0.01 or abs(a[2] - b[2]) > 0.01


def feel(seconds: float, seed: int, ways: tuple[str, ...] = WAYS) -> dict[str, dict[str, float]]:
    """The figures of each way to draw, from the poorest to what the SDK gives."""
    found = {way: judged(Run(way, seconds, seed)).figures() for way in ways}
    assert all(isfinite(number) for line in found.values() for number in line.values())
    return found


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.feel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="virtual seconds a line")
    parser.add_argument("--seed", type=int, default=1, help="the network's chance")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    found = feel(options.seconds, options.seed)
    if options.json:
        print(json.dumps(found))
        return
    names = list(found[WAYS[0]])
    print(f"{'':24}" + "".join(f"{way:>14}" for way in found))
    for name in names:
        print(f"{name:24}" + "".join(f"{found[way][name]:>14g}" for way in found))


if __name__ == "__main__":
    main()
