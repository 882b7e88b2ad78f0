"""What must be so at the end of a simulated run, beside what the checker of `bench` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.checker import Violation, judge, rows_digest
from bench.history import Recovered, RoomHistory
from bench.recorder import Recorder
from server.core.journal import restore
from server.core.lobby import RoomMeta
from server.store.base import Append, NoSuchRoom, Record
from shared.errors import StoreError
from shared.game import Game
from tests.simulation import inside
from tests.simulation.process import Process
from tests.simulation.world import Archive

# A record is on its way for less than this.
COPY_TICKS = 5


def ended_fairly(end: str, game: type[Game], *, ends: bool, rough: bool) -> bool:
    """Whether a room may close on its player for this reason.

    Its game said so, where the room's match `ends`; or, where the game lets ticks be seen before
    they are committed, the seat or its last connection was in ticks that never were. In a rough
    world a room may be put aside.
    """
    if ends and end.startswith(("the match is finished", "the room is over")):
        return True
    if rough and "kept aside" in end:
        return True
    taken_back = end.startswith(("the seat was given up", "another connection took this seat"))
    return game.journal_lag_ticks_max > 0 and taken_back


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that must not be."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def histories(
    written: Sequence[Append],
    kept: Sequence[inside.Kept],
    games: Mapping[str, Game],
    recorders: Sequence[Recorder],
) -> dict[str, RoomHistory]:
    """What was written of each room and what its players saw, put together."""
    found: dict[str, RoomHistory] = {}
    for room in kept:
        meta = RoomMeta.decode(room.meta)
        found[room.room] = RoomHistory(room.room, games[meta.game], meta)
    newest: dict[tuple[str, int], Record] = {}
    for one in written:
        record = Record(one.epoch, one.tick, one.record)
        # An append that was repeated, because its answer was lost, is one write.
        if newest.get((one.room, one.tick)) != record:
            newest[one.room, one.tick] = record
            found[one.room].writes.append(record)
    for recorder in recorders:
        if recorder.witness.room in found:
            found[recorder.witness.room].witnesses.append(recorder.witness)
    return found


async def recover(history: RoomHistory, store: Archive, processes: Iterable[Process]) -> list[str]:
    """Add what the store and each process has of a room now; return its players' nonces."""
    try:
        loaded = await store.load(history.room)
    except NoSuchRoom:
        return []
    options = history.meta.options_of(history.game)
    checkpoints = [checkpoint.blob for checkpoint in loaded.checkpoints]
    records = [record.record for record in loaded.records]
    match = restore(history.game, options, history.meta.seed, checkpoints, records)
    history.recovered.append(Recovered("the store", match.tick, rows_digest(match)))
    for process in processes:
        for held in inside.held(process.app):
            if held.room == history.room and held.match is not None:
                digest = rows_digest(held.match)
                history.recovered.append(Recovered(process.name, held.match.tick, digest))
    if not match.tick:
        return []
    return [player.nonce for player in match.players if not player.bot]


def of_the_journal(history: RoomHistory) -> list[Wrong]:
    """What the checker finds."""
    try:
        found: list[Violation] = judge(history)
    except StoreError as error:
        return [Wrong("unreadable", f"room {history.room}: {error}")]
    return [Wrong(one.kind.name.lower(), str(one)) for one in found]


def of_the_seats(nonces: Mapping[str, Sequence[str]]) -> list[Wrong]:
    """One nonce, one seat; `nonces` are those of each room's players."""
    seats = Counter(nonce for room in nonces.values() for nonce in room)
    return [
        Wrong("two seats", f"nonce {nonce} has {count} of them")
        for nonce, count in seats.items()
        if count > 1
    ]


def of_the_owners(store: Archive, processes: Sequence[Process], *, rough: bool) -> list[Wrong]:
    """Every live room is run by one process; none was put aside, but in a rough world."""
    wrong: list[Wrong] = []
    owners: dict[str, list[str]] = {}
    for process in processes:
        for one in inside.held(process.app):
            if one.owned:
                owners.setdefault(one.room, []).append(process.name)
    for room in inside.kept(store):
        mine = owners.get(room.room, [])
        if room.status == "live" and len(mine) != 1:
            wrong.append(Wrong("no owner", f"room {room.room} is run by {mine or 'nobody'}"))
        if room.status == "quarantined" and not rough:
            wrong.append(Wrong("quarantined", f"room {room.room}, at tick {room.tick}"))
    return wrong


def of_the_ticks(
    store: Archive, before: Mapping[str, int], seconds: float, games: Mapping[str, Game]
) -> list[Wrong]:
    """Every live room ticked in these seconds; `before` are the ticks at their beginning."""
    wrong: list[Wrong] = []
    for room in inside.kept(store):
        if room.status == "live" and room.room in before:
            rate = games[RoomMeta.decode(room.meta).game].tick_rate
            came = room.tick - before[room.room]
            if came < rate * seconds / 2:
                what = f"room {room.room}: {came} ticks in {seconds:g} s at {rate} Hz"
                wrong.append(Wrong("frozen", what))
    return wrong


def of_the_copies(store: Archive, processes: Sequence[Process]) -> list[Wrong]:
    """Every copy of a live room is near to the journal's end."""
    wrong: list[Wrong] = []
    ticks = {room.room: room.tick for room in inside.kept(store) if room.status == "live"}
    for process in processes:
        for one in inside.held(process.app):
            behind = ticks.get(one.room, 0) - one.tick
            if not one.owned and behind > COPY_TICKS:
                what = f"{process.name} is {behind} ticks behind in room {one.room}"
                wrong.append(Wrong("stale copy", what))
    return wrong


def of_the_followers(processes: Sequence[Process]) -> list[Wrong]:
    """Nobody is subscribed to a room that it does not follow, or twice."""
    wrong: list[Wrong] = []
    for process in processes:
        followed = inside.followed(process.app)
        heard = sum(1 for one in process.link.subscriptions if one.method == "follow")
        if heard > followed:
            what = f"{process.name} hears {heard} rooms and follows {followed}"
            wrong.append(Wrong("leak", what))
    return wrong


def of_the_end(process: Process) -> list[Wrong]:
    """A process that ended in good order leaves no task and no subscription."""
    wrong = [
        Wrong("task left", f"{process.name}: {task.get_coro()}")
        for task in process.turns.unfinished()
    ]
    if process.link.subscriptions:
        methods = Counter(one.method for one in process.link.subscriptions)
        wrong.append(Wrong("subscription left", f"{process.name}: {dict(methods)}"))
    return wrong
