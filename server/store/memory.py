"""The memory store: the contract's reference, and the simulator's store.

It is deterministic: no thread, no clock of its own, and no method ever waits. What it holds lives
as long as the object, through `close` and `open`, and not longer than the process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from server.store.base import (
    REASON_CHARS_MAX,
    RESULTS_MAX,
    RETENTION,
    Append,
    Checkpoint,
    Fenced,
    Held,
    Loaded,
    MatchResult,
    NoSuchRoom,
    OutOfOrder,
    Record,
    Retention,
    RoomEntry,
    RoomExists,
    Status,
    StoreUnavailable,
    Tail,
    Taken,
    Tidied,
    cannot_cut,
    check_batch,
    check_held,
    check_limit,
    check_owner,
    check_room,
    next_match,
)
from server.store.succeeding import Crashes, next_epoch
from shared.errors import StoreError


@dataclass(slots=True)
class _Room:
    meta: bytes
    epoch: int = 0
    owner: str = ""
    status: Status = Status.LIVE
    reason: str = ""
    since_ms: int = 0
    tick: int = 0
    crashes: Crashes = field(default_factory=Crashes)
    records: dict[int, Record] = field(default_factory=dict[int, Record])
    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])

    @property
    def recoveries(self) -> int:
        """How many owners running crashed."""
        return self.crashes.count

    def entry(self, room: str) -> RoomEntry:
        """Return the room's line in the list."""
        return RoomEntry(
            room,
            self.meta,
            self.epoch,
            self.tick,
            self.owner,
            self.status,
            self.reason,
            self.since_ms,
        )

    def loaded(self, room: str) -> Loaded:
        """Return what the room is rebuilt from, as `Loaded` says."""
        after = self.checkpoints[-1].tick if self.checkpoints else 0
        records = tuple(record for record in self.records.values() if record.tick > after)
        return Loaded(
            room,
            self.meta,
            self.epoch,
            self.status,
            tuple(self.checkpoints),
            records,
            self.recoveries,
        )

    def after(self, tick: int) -> Tail:
        """Return what somebody at `tick` has missed, as `Tail` says."""
        missed = tuple(record for at, record in self.records.items() if at > tick)
        if len(missed) != self.tick - tick:
            missed = ()
        return Tail(self.epoch, self.tick, self.owner, self.status, missed)

    def rest(self) -> None:
        """Keep the newest checkpoint alone, where it is of the last tick."""
        if self.checkpoints and self.checkpoints[0].tick == self.tick:
            del self.checkpoints[1:]
            self.records.clear()

    def change_hands(self, owner: str, wall_ms: int, *, blameless: bool) -> None:
        """Give the room a new epoch and this owner; count it if the one before crashed."""
        self.crashes = self.crashes.after(self.owner, owner, self.tick, blameless=blameless)
        last = self.records.get(self.tick)
        self.epoch = next_epoch(self.epoch, last.epoch if last else 0, wall_ms)
        self.owner = owner


class MemoryStore:
    """A `Store` in this process's memory; `wall_ms` is the clock epochs are taken from."""

    def __init__(self, wall_ms: Callable[[], int], retention: Retention = RETENTION) -> None:
        self._wall_ms = wall_ms
        self._retention = retention
        self._rooms: dict[str, _Room] = {}
        # The rooms of each status; all but the live in the order in which they got it.
        self._by_status: dict[Status, dict[str, None]] = {status: {} for status in Status}
        # Rooms with results, the last committed last, and when that was.
        self._results: dict[str, tuple[int, list[MatchResult]]] = {}
        self._is_open = False

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    def shard(self, room: str) -> str:
        check_room(room)
        return ""

    async def create(self, room: str, meta: bytes, owner: str = "") -> None:
        self._add(room, _Room(meta, owner=owner))

    async def recreate(self, room: str, meta: bytes, owner: str, checkpoint: Checkpoint) -> int:
        check_owner(owner)
        epoch = next_epoch(checkpoint.epoch, 0, self._wall_ms())
        kept = _Room(meta, epoch, owner, tick=checkpoint.tick, checkpoints=[checkpoint])
        self._add(room, kept)
        return epoch

    async def rooms(self) -> list[RoomEntry]:
        self._check_open()
        return [
            kept.entry(room)
            for room, kept in sorted(self._rooms.items())
            if kept.status is not Status.CLOSED
        ]

    async def entry(self, room: str) -> RoomEntry:
        return self._room(room).entry(room)

    async def orphans(
        self, living: Collection[str], limit: int, after: RoomEntry | None = None
    ) -> list[RoomEntry]:
        check_limit(limit)
        self._check_open()
        start = (after.owner, after.room) if after is not None else ("", "")
        found = sorted(
            (self._rooms[room].owner, room)
            for room in self._by_status[Status.LIVE]
            if self._rooms[room].owner not in living
        )
        return [self._rooms[room].entry(room) for owner, room in found if (owner, room) > start][
            :limit
        ]

    async def owned(self, owner: str) -> list[str]:
        self._check_open()
        live = self._by_status[Status.LIVE]
        return sorted(room for room in live if self._rooms[room].owner == owner)

    async def tidy(self, limit: int) -> Tidied:
        check_limit(limit)
        self._check_open()
        kept = self._retention
        asleep = self._by_status[Status.ASLEEP]
        spare = len(asleep) - kept.sleeping_max
        closed = self._due(Status.ASLEEP, kept.asleep_s, max(0, spare))[:limit]
        for room in closed:
            self._set(room, Status.CLOSED)
        for room in self._due(Status.QUARANTINED, kept.quarantined_s)[:limit]:
            self._set(room, Status.CLOSED)
        for room in self._due(Status.CLOSED, kept.closed_s)[:limit]:
            del self._rooms[room], self._by_status[Status.CLOSED][room]
        old_ms = self._wall_ms() - kept.results_s * 1000
        old = takewhile(lambda room: self._results[room][0] <= old_ms, self._results)
        for room in list(islice(old, limit)):
            del self._results[room]
        return Tidied(tuple(closed), len(asleep))

    async def acquire(self, room: str, owner: str, *, blameless: bool = False) -> Loaded:
        check_owner(owner)
        kept = self._room(room)
        kept.change_hands(owner, self._wall_ms(), blameless=blameless)
        return kept.loaded(room)

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        check_owner(owner)
        check_held(held)
        kept = self._room(room)
        lost = [record for record in held.recent if record.tick > kept.tick]
        behind = kept.epoch > held.epoch or kept.tick > held.tick
        if behind or len(lost) != held.tick - kept.tick:
            return kept.after(held.tick)
        for record in lost:
            kept.records[record.tick] = record
            kept.tick = record.tick
        kept.epoch = max(kept.epoch, held.epoch)
        kept.change_hands(owner, self._wall_ms(), blameless=blameless)
        return Taken(kept.epoch, kept.recoveries)

    async def tail(self, room: str, tick: int) -> Tail:
        return self._room(room).after(tick)

    async def load(self, room: str) -> Loaded:
        return self._room(room).loaded(room)

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        check_batch(batch)
        self._check_open()
        return [self._append(entry) for entry in batch]

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        kept = self._owned(room, epoch)
        newest = kept.checkpoints[0].tick if kept.checkpoints else 0
        if not newest <= tick <= kept.tick:
            raise OutOfOrder(
                f"room {room}: a checkpoint of tick {tick}, expected {newest} to {kept.tick}"
            )
        older = [each for each in kept.checkpoints if each.tick < tick][:1]
        kept.checkpoints = [Checkpoint(epoch, tick, blob), *older]
        if older:
            for trimmed in [each for each in kept.records if each <= older[0].tick]:
                del kept.records[trimmed]

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        check_room(room)
        self._check_open()
        closed = self._rooms.get(room)
        if status is Status.CLOSED and closed and closed.status is status and closed.epoch == epoch:
            return
        self._owned(room, epoch)
        self._set(room, status, reason)

    async def release(self, room: str, epoch: int) -> None:
        kept = self._owned(room, epoch)
        kept.owner = ""
        kept.crashes = Crashes()

    async def cut(self, room: str, epoch: int, tick: int) -> int:
        kept = self._owned(room, epoch)
        before = [each for each in kept.checkpoints if each.tick <= tick]
        if tick not in kept.records or (kept.checkpoints and not before):
            raise cannot_cut(room, tick)
        kept.checkpoints = before
        for after in [each for each in kept.records if each > tick]:
            del kept.records[after]
        kept.tick = tick
        kept.epoch = next_epoch(epoch, 0, self._wall_ms())
        return kept.epoch

    async def results_of(self, room: str) -> list[MatchResult]:
        check_room(room)
        self._check_open()
        _, results = self._results.get(room, (0, []))
        return list(results)

    async def result(self, room: str) -> bytes | None:
        results = await self.results_of(room)
        return results[-1].result if results else None

    async def results(self, limit: int) -> list[tuple[str, bytes]]:
        check_limit(limit)
        self._check_open()
        newest_first = islice(reversed(self._results.items()), limit)
        return [(room, results[-1].result) for room, (_, results) in newest_first]

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the memory store is not open: open it before use")

    def _room(self, room: str) -> _Room:
        check_room(room)
        self._check_open()
        kept = self._rooms.get(room)
        if kept is None or kept.status is Status.CLOSED:
            raise NoSuchRoom(room)
        return kept

    def _owned(self, room: str, epoch: int) -> _Room:
        kept = self._room(room)
        self._fence(room, epoch, kept.epoch)
        return kept

    def _add(self, room: str, made: _Room) -> None:
        check_room(room)
        self._check_open()
        if room in self._rooms:
            raise RoomExists(room)
        self._rooms[room] = made
        self._by_status[Status.LIVE][room] = None

    def _set(self, room: str, status: Status, reason: str = "") -> None:
        """Give a room a status, and drop what it no longer needs."""
        kept = self._rooms[room]
        del self._by_status[kept.status][room]
        self._by_status[status][room] = None
        kept.status = status
        kept.reason, kept.since_ms = reason[:REASON_CHARS_MAX], self._wall_ms()
        if status is Status.CLOSED:
            kept.records.clear()
            kept.checkpoints.clear()
        elif status is Status.ASLEEP:
            kept.rest()

    def _due(self, status: Status, keep_s: float, spare: int = 0) -> list[str]:
        """Rooms that have had a status for so long, and the first `spare` that have it."""
        due_ms = self._wall_ms() - keep_s * 1000
        numbered = enumerate(self._by_status[status])
        due = takewhile(lambda at: at[0] < spare or self._rooms[at[1]].since_ms <= due_ms, numbered)
        return [room for _, room in due]

    def _fence(self, room: str, epoch: int, epoch_now: int) -> None:
        if epoch != epoch_now:
            raise Fenced(room, epoch, epoch_now)

    def _append(self, entry: Append) -> StoreError | None:
        try:
            kept = self._owned(entry.room, entry.epoch)
        except StoreError as refusal:
            return refusal
        record = Record(entry.epoch, entry.tick, entry.record)
        if kept.records.get(entry.tick) == record:
            return None
        if kept.tick and entry.tick != kept.tick + 1:
            return OutOfOrder(f"room {entry.room}: tick {entry.tick} does not follow {kept.tick}")
        kept.records[entry.tick] = record
        kept.tick = entry.tick
        self._keep_result(entry)
        return None

    def _keep_result(self, entry: Append) -> None:
        _, results = self._results.get(entry.room, (0, []))
        number = next_match(entry, results[-1].match if results else 0)
        if number is None or entry.result is None:
            return
        results.append(MatchResult(number, entry.tick, entry.result))
        del results[:-RESULTS_MAX]
        self._results.pop(entry.room, None)
        self._results[entry.room] = self._wall_ms(), results
