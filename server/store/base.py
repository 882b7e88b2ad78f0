"""The store's contract: what every backend promises, in prose and in types.

A store keeps rooms. Of each room it keeps `meta` (what is needed to build it, opaque here), an
epoch, an owner's name, a status, a journal of records, at most two checkpoints, and the results of
its matches.

**One owner writes.** `acquire` hands out a new epoch, and from the moment it returns every write
of an older epoch is refused with `Fenced` by the store itself, inside the transaction that would
have written. The owner's name only says who should be writing; the epoch alone makes it safe.
An epoch is the greatest of the stored epoch + 1, the journal's last epoch + 1 and the store's wall
clock in milliseconds, so that a store that lost its tail does not hand out an epoch twice.

**Taking over asks first.** `take_over` is `acquire` for somebody who follows the room and heard
nothing of its owner for a while: it succeeds only if what the follower holds is still all there is,
and answers with what the follower missed otherwise. So a follower that was only slow to hear moves
nothing. If the journal ends below what the follower holds (the store lost its tail), the follower's
own last records are written again first, under their old epochs.

**Crashes are counted.** `recoveries` is how many times running a room was acquired from another
owner that had not released it, while the journal grew by less than `RECOVERY_TICKS` since the first
of them; 0 when the owner before had released it, or there was none. An owner that acquires its own
room again (the answer before was lost) leaves the count as it is, and so does a `blameless` call:
the old owner died of something else than this room. Who acquires decides what follows.

**The journal has no hole.** The first record of a room may have any tick from 1; each later one
has the tick after the last. Anything else is refused with `OutOfOrder`. The same record again
(same epoch, tick and bytes, while the journal still holds it) is answered as a success and changes
nothing, its result included: a caller whose append was answered with `StoreUnavailable`
cannot know whether it was committed, and repeats it.

**A batch is one commit, not one fate.** The entries of a batch are judged in their order, one
outcome each; a refused entry neither stops nor undoes the others. What was answered with
None is committed: it survives the death of any process that uses the store, and more as the
backend's setting says. Should a store behind a network come back without the end of a journal, its
owner's next append either brings that end back, without a hole, or is refused.

**What rests costs little, and not for ever.** Finding a room by its id costs the same however many
rooms there are. What is due is kept in order of time, so `tidy` and `orphans` read what they return
and no more. A sleeping room with a checkpoint of its last tick keeps that alone. Rooms
asleep, closed or quarantined, and results, end after the times of `Retention`; what a live room
needs has no end.

**Whose fault.** Refusals and failures of the store are `StoreError`s. `StoreUnavailable` means that
nothing is known to have happened: repeat the call; it works again once the cause is gone.
`StoreCorrupt` does not go away by itself; where a backend can tell which room is damaged, the
others are not touched by it. An argument that no caller may pass is a `LocalError`, raised before
anything is written. Cancelling a call that waits leaves open whether it happened.

Every backend passes the same tests: tests/server/store/test_store.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from shared.errors import LocalError, StoreError
from shared.limits import INTEGER_MAX

ROOM_ID = re.compile(r"[a-z0-9]{8,32}")
"""What a room's id looks like; no brace, colon or slash, so that it is safe in any key or path."""

RECOVERY_TICKS = 5
"""A room that got this far since the first of its crashes did not crash because of its rows.

Rows that kill their process kill the next one at the same tick; more than this would put rooms
aside whose machines die one after another, since a takeover takes three ticks.
"""


REASON_CHARS_MAX = 2_000
"""A sentence, the hook and place of a failure, and a short traceback."""


RESULTS_MAX = 100
"""Results a room keeps; one that plays a match a minute shows the last hour and a half."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, locked or written now; nothing is known to be committed."""


class StoreCorrupt(StoreError):
    """What is stored cannot be read as a store; it was left as it is."""


class StoreTooNew(StoreError):
    """What is stored was written by a newer Holdfast; it was left as it is."""


class Fenced(StoreError):
    """A write of an epoch that is not the room's: somebody else owns the room."""

    def __init__(self, room: str, epoch: int, epoch_now: int) -> None:
        super().__init__(f"room {room}: epoch {epoch} is fenced, the room's epoch is {epoch_now}")


class OutOfOrder(StoreError):
    """A tick that does not follow the journal's last, or a checkpoint of a tick not kept."""


class NoSuchRoom(StoreError):
    """The room was never created, or is closed."""

    def __init__(self, room: str) -> None:
        super().__init__(f"room {room} does not exist or is closed")


class RoomExists(StoreError):
    """A room of this id was created before, and is there or was closed within `closed_s`."""

    def __init__(self, room: str) -> None:
        super().__init__(f"room {room} exists already, or existed and is closed")


class Status(StrEnum):
    """What is to become of a room; the store keeps it and judges only CLOSED."""

    LIVE = "live"
    ASLEEP = "asleep"
    QUARANTINED = "quarantined"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a store keeps what no running match needs, in seconds by the store's wall clock.

    `sleeping_max` bounds the sleeping rooms of the whole store.
    """

    asleep_s: float = 3600.0
    closed_s: float = 3600.0
    results_s: float = 7 * 86_400.0
    quarantined_s: float = 30 * 86_400.0
    sleeping_max: int = 10_000


RETENTION = Retention()
"""The defaults."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """What a `tidy` did: the sleeping rooms it closed; `asleep` is how many sleep still."""

    closed: tuple[str, ...]
    asleep: int


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What one match of a room came to: its number in the room, from 1, and the tick it ended."""

    match: int
    tick: int
    result: bytes


@dataclass(frozen=True, slots=True)
class Append:
    """One tick of one room to commit; `result`, the match's outcome, is committed with it.

    `match` is the number of the match that ended; 0 takes the number after the last result's.
    """

    room: str
    epoch: int
    tick: int
    record: bytes
    result: bytes | None = None
    match: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One committed tick, and the epoch that wrote it."""

    epoch: int
    tick: int
    record: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The whole room as it was after `tick`; its own checksum is in the blob."""

    epoch: int
    tick: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a room is rebuilt from.

    `checkpoints` holds at most two, the newest first; `records` holds every record after the oldest
    of them (every record of the room when there is none), in the order of their ticks.
    """

    room: str
    meta: bytes
    epoch: int
    status: Status
    checkpoints: tuple[Checkpoint, ...]
    records: tuple[Record, ...]
    recoveries: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What a follower has of a room: its epoch, its last tick (0: none), its newest records.

    `recent` is contiguous and ends at `tick`; it may be empty.
    """

    epoch: int
    tick: int
    recent: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A takeover that succeeded: the new epoch, and the crashes running, this one included."""

    epoch: int
    recoveries: int


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a journal, as far as somebody at a certain tick has missed it.

    `tick` is the last committed. `records` are all those after the asker's tick, or empty where the
    journal does not hold every one of them any more, or ends at or below the asker's tick: an asker
    whose own tick is not `tick` after taking them in must load the room.
    """

    epoch: int
    tick: int
    owner: str
    status: Status
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """A line of the list of rooms; `tick` is the last committed (0: none), `owner` "" for none.

    `reason` says why the room has its status, as `set_status` was told; `since_ms` is the store's
    wall clock at that call, 0 for a room whose status was never set.
    """

    room: str
    meta: bytes
    epoch: int
    tick: int
    owner: str
    status: Status
    reason: str = ""
    since_ms: int = field(default=0, compare=False)


class Store(Protocol):
    """What every backend offers; the module's docstring says what it promises.

    Every method may raise `StoreUnavailable` (also before `open` and after `close`) and
    `StoreCorrupt`, and a `LocalError` for a malformed argument.
    """

    async def open(self) -> None:
        """Make the store ready; raise `StoreUnavailable`, `StoreCorrupt` or `StoreTooNew`.

        The error's sentence says what to do. After a `close` a store may be opened again.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the store; closing twice does nothing."""
        ...

    async def create(self, room: str, meta: bytes, owner: str = "") -> None:
        """Create a room, live, with epoch 0; raise `RoomExists`.

        `owner` is the process that is about to acquire it: others leave the room to it.
        """
        ...

    async def recreate(self, room: str, meta: bytes, owner: str, checkpoint: Checkpoint) -> int:
        """Write a room that the store lost from what its owner holds; return the new epoch.

        The room is live, owned, and its last tick is the checkpoint's. Raise `RoomExists` where the
        store knows the room, or knows that it was closed.
        """
        ...

    async def rooms(self) -> list[RoomEntry]:
        """Return every room that is not closed, in the order of their ids: for operators.

        A room that alone is damaged may be listed as live and empty: its `acquire` says how.
        """
        ...

    async def entry(self, room: str) -> RoomEntry:
        """Return one line of that list; raise `NoSuchRoom`."""
        ...

    async def orphans(
        self, living: Collection[str], limit: int, after: RoomEntry | None = None
    ) -> list[RoomEntry]:
        """Return up to `limit` live rooms whose owner is none of the `living`, by owner and id.

        `after` is the last entry of the page before; the page after the last one is empty.
        """
        ...

    async def owned(self, owner: str) -> list[str]:
        """Return the ids of the live rooms of one owner: only the ids, since that is cheap.

        It may name a room that changed hands a moment ago: its `entry` knows.
        """
        ...

    async def tidy(self, limit: int) -> Tidied:
        """End up to `limit` of each kind of thing that has outlived its `Retention`.

        Sleeping rooms are closed, the longest asleep first, also while more than `sleeping_max`
        sleep. Any process may call it, at any time.
        """
        ...

    async def acquire(self, room: str, owner: str, *, blameless: bool = False) -> Loaded:
        """Become the owner under a new epoch (`Loaded.epoch`); raise `NoSuchRoom`.

        The status stays what it was: the new owner decides what to do with a sleeping room.
        """
        ...

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        """Become the owner if `held` is all there is, else say what was missed; raise `NoSuchRoom`.

        It succeeds where the room's epoch is `held.epoch` and its last tick `held.tick`, and where
        epoch and tick are not above them and `held.recent` closes the gap without a hole.
        """
        ...

    async def tail(self, room: str, tick: int) -> Tail:
        """Read what came after `tick` (0: all) without owning the room; raise `NoSuchRoom`."""
        ...

    async def load(self, room: str) -> Loaded:
        """Read a room without owning it; raise `NoSuchRoom`."""
        ...

    def shard(self, room: str) -> str:
        """Return which part of the store keeps a room; "" where there is but one.

        Parts fail alone: batches with rooms of one part only do not wait for another part.
        """
        ...

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        """Commit a batch; return one outcome per entry, in order: None where it was committed.

        Outcomes are `NoSuchRoom`, `Fenced` and `OutOfOrder`, tried in this order, or `StoreCorrupt`
        where the entry's room alone is damaged. Of the results of one match the first stays;
        another is ignored and its record is committed.
        """
        ...

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        """Keep a checkpoint; raise `NoSuchRoom`, `Fenced` or `OutOfOrder`.

        `tick` is at most the last committed and not below the newest kept checkpoint's; one of the
        same tick replaces it. The two newest stay, and once there are two, the records at or
        before the older one's tick are dropped.
        """
        ...

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        """Change the status and say why; raise `NoSuchRoom` or `Fenced`.

        Of the reason, the first `REASON_CHARS_MAX` characters are kept.

        CLOSED drops journal and checkpoints, keeps the results and is final; closing again with the
        same epoch does nothing. ASLEEP drops what the newest checkpoint makes superfluous, where
        that is of the last tick.
        """
        ...

    async def release(self, room: str, epoch: int) -> None:
        """Take the owner's name off the room; raise `NoSuchRoom` or `Fenced`.

        The epoch stays valid until the next `acquire`.
        """
        ...

    async def cut(self, room: str, epoch: int, tick: int) -> int:
        """Forget what came after `tick`, and own the room under the new epoch that is returned.

        Raise `NoSuchRoom`, `Fenced`, or `OutOfOrder` where the journal does not hold the record of
        `tick` and the records from the checkpoint before it on. What was committed after it, and
        seen, never was; results stay.
        """
        ...

    async def results_of(self, room: str) -> list[MatchResult]:
        """Return what the room's matches came to, closed or not, in the order they ended.

        The newest `RESULTS_MAX` are kept, for `results_s` after the last of them.
        """
        ...

    async def result(self, room: str) -> bytes | None:
        """Return the last of them; None when there is no result."""
        ...

    async def results(self, limit: int) -> list[tuple[str, bytes]]:
        """Return up to `limit` rooms and their last results, the last committed first."""
        ...


def cannot_cut(room: str, tick: int) -> OutOfOrder:
    """The refusal of `Store.cut` where nothing leads to the tick."""
    return OutOfOrder(f"room {room} cannot go back to tick {tick}: what leads to it is not kept")


def check_room(room: str) -> None:
    """Raise a `LocalError` unless `room` is formed like a room's id."""
    if ROOM_ID.fullmatch(room) is None:
        raise LocalError(f"room id {room[:64]!r}: use 8 to 32 characters of a-z and 0-9")


def check_owner(owner: str) -> None:
    """Raise a `LocalError` for the empty name, which stands for nobody."""
    if not owner:
        raise LocalError("the owner's name is empty: name the process that acquires the room")


def check_held(held: Held) -> None:
    """Raise a `LocalError` unless `recent` is one run of records that ends at `tick`."""
    ticks = [record.tick for record in held.recent]
    epochs = [*(record.epoch for record in held.recent), held.epoch]
    if ticks != list(range(held.tick + 1 - len(ticks), held.tick + 1)) or epochs != sorted(epochs):
        raise LocalError(f"what is held until tick {held.tick} has a hole or an epoch out of order")


def check_limit(limit: int) -> None:
    """Raise a `LocalError` for a negative number of results or rooms."""
    if limit < 0:
        raise LocalError(f"limit is {limit}: ask for 0 or more")


def next_match(entry: Append, last: int) -> int | None:
    """Return the number under which an entry's result is kept, after the result of match `last`.

    None where the entry has no result, or its match has one already.
    """
    number = entry.match or last + 1
    return number if entry.result is not None and number > last else None


def check_batch(batch: Sequence[Append]) -> None:
    """Raise a `LocalError` if an entry is one that no caller may pass."""
    for entry in batch:
        check_room(entry.room)
        if not (1 <= entry.tick <= INTEGER_MAX and 1 <= entry.epoch <= INTEGER_MAX):
            raise LocalError(
                f"room {entry.room}: tick {entry.tick} of epoch {entry.epoch}: "
                f"ticks and epochs are between 1 and {INTEGER_MAX}"
            )
