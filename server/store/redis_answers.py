"""What the scripts answer, read as the store's types or raised as its errors.

Nothing that Redis holds is believed unseen: the keys may have been changed by hand, restored in
part, or written by something else, and a journal with a hole must not become a match.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.store.base import (
    Checkpoint,
    Fenced,
    Loaded,
    MatchResult,
    NoSuchRoom,
    Record,
    RoomEntry,
    RoomExists,
    Status,
    Tail,
    Taken,
)
from server.store.redis_address import Address
from server.store.redis_errors import damaged
from shared.columns import is_list
from shared.errors import StoreError

Answer = list[object]

LOADED_ITEMS = 11
OTHERWISE = b"a script answered with what it never says"


@dataclass(frozen=True, slots=True)
class CheckpointRange:
    """The ticks of which a checkpoint would have been taken."""

    least: int
    most: int


def refused(address: Address, room: str, epoch: int, answer: Answer) -> StoreError | None:
    """The error of a refusal; None for `ok`, and for what means as it was asked."""
    match answer:
        case [b"ok" | b"order" | b"tail", *_]:
            return None
        case [b"gone"]:
            return NoSuchRoom(room)
        case [b"exists"]:
            return RoomExists(room)
        case [b"fenced", bytes(now)]:
            return Fenced(room, epoch, int(now))
        case [b"corrupt", bytes(what)]:
            return damaged(address, room, what)
        case _:
            return damaged(address, room, OTHERWISE)


def checkpoint_range(answer: Answer) -> CheckpointRange | None:
    """Where a checkpoint was refused: of which ticks one would have been taken."""
    match answer:
        case [b"order", bytes(least), bytes(most)]:
            return CheckpointRange(int(least), int(most))
        case _:
            return None


def read_entry(address: Address, room: str, answer: Answer) -> RoomEntry:
    """The answer of `entry`; raise `StoreCorrupt` where the room is damaged."""
    match answer:
        case [
            _,
            bytes(meta),
            bytes(epoch),
            bytes(tick),
            bytes(owner),
            bytes(status),
            bytes(reason),
            bytes(since),
        ]:
            return RoomEntry(
                room,
                meta,
                int(epoch),
                int(tick),
                owner.decode("utf-8", "replace"),
                _status(address, room, status),
                reason.decode("utf-8", "replace"),
                int(since) if since.isdigit() else 0,
            )
        case _:
            raise damaged(address, room, OTHERWISE)


def read_status(address: Address, room: str, answer: Answer) -> tuple[str, int]:
    """The answer of `set_status`: the room's owner, and since when it has the status."""
    match answer:
        case [_, bytes(owner), bytes(since)]:
            return owner.decode("utf-8", "replace"), int(since)
        case _:
            raise damaged(address, room, OTHERWISE)


def read_release(address: Address, room: str, answer: Answer) -> tuple[Status, str]:
    """The answer of `release` or `end`: the room's status now, and its owner before."""
    match answer:
        case [_, bytes(status), bytes(owner)]:
            return _status(address, room, status), owner.decode("utf-8", "replace")
        case _:
            raise damaged(address, room, OTHERWISE)


def read_results(entries: object) -> list[MatchResult]:
    """A stream of results as redis-py gives it; what no Holdfast wrote into it is passed over."""
    results: list[MatchResult] = []
    for entry in entries if is_list(entries) else []:
        match entry:
            case [bytes(at), {b"tick": bytes(tick), b"result": bytes(result)}]:
                results.append(MatchResult(int(at.partition(b"-")[0]), int(tick), result))
            case _:
                pass
    return results


def read_loaded(address: Address, room: str, answer: Answer) -> tuple[Loaded, int]:
    """The answer of `load` or `acquire`, and the last tick; raise `StoreCorrupt` for damage."""
    if len(answer) != LOADED_ITEMS:
        raise damaged(address, room, OTHERWISE)
    _, meta, epoch, status, last, newest, older, entries, recoveries, *_ = answer
    match meta, epoch, status, last, recoveries:
        case bytes(meta), bytes(epoch), bytes(status), bytes(last), bytes(recoveries):
            pass
        case _:
            raise damaged(address, room, OTHERWISE)
    kept = (_checkpoint(address, room, fields) for fields in (newest, older))
    checkpoints = tuple(each for each in kept if each is not None)
    after = checkpoints[-1].tick if checkpoints else 0
    written = _records(address, room, entries if is_list(entries) else [])
    records = [record for record in written if record.tick > after]
    if (records[-1].tick if records else after) < int(last):
        raise damaged(address, room, b"its journal ends before its last tick")
    loaded = Loaded(
        room,
        meta,
        int(epoch),
        _status(address, room, status),
        checkpoints,
        tuple(records),
        int(recoveries),
    )
    return loaded, int(last)


def read_takeover(address: Address, room: str, tick: int, answer: Answer) -> Taken | Tail:
    """The answer of `take_over` or `tail` to somebody at `tick`; raise `StoreCorrupt` for damage.

    The entries of a tail come the newest first.
    """
    match answer:
        case [b"ok", bytes(epoch), bytes(recoveries), *_]:
            return Taken(int(epoch), int(recoveries))
        case [b"tail", bytes(epoch), bytes(last), bytes(owner), bytes(status), entries]:
            backwards = entries[::-1] if is_list(entries) else []
            records = tuple(_records(address, room, backwards))
            missed = records if len(records) == int(last) - tick else ()
            name = owner.decode("utf-8", "replace")
            return Tail(int(epoch), int(last), name, _status(address, room, status), missed)
        case _:
            raise damaged(address, room, OTHERWISE)


def has_result(answer: Answer) -> bool:
    """Whether the room of an `acquire` or a takeover has a result, which may not be listed yet."""
    return answer[-1] == b"1"


def owner_before(answer: Answer) -> str:
    """Who owned the room before that acquire or takeover."""
    before = answer[-2]
    return before.decode("utf-8", "replace") if isinstance(before, bytes) else ""


def _status(address: Address, room: str, status: bytes) -> Status:
    try:
        return Status(status.decode("ascii", "replace"))
    except ValueError:
        raise damaged(address, room, b"its status is " + status[:40]) from None


def _checkpoint(address: Address, room: str, fields: object) -> Checkpoint | None:
    match fields:
        case [None, None, None]:
            return None
        case [bytes(epoch), bytes(tick), bytes(blob)] if epoch.isdigit() and tick.isdigit():
            return Checkpoint(int(epoch), int(tick), blob)
        case _:
            raise damaged(address, room, b"a checkpoint of it is incomplete")


def _records(address: Address, room: str, entries: Answer) -> list[Record]:
    """The records among a journal's entries; those of acquires only say what they follow."""
    records: list[Record] = []
    tick = 0
    for entry in entries:
        at, field, value = _entry(entry)
        epoch, _, number = at.partition(b"-")
        if field == b"base" and number == b"0":
            follows = not records or value == b"%d" % tick
        elif field == b"d" and number.isdigit():
            follows = not records or int(number) == tick + 1
            tick = int(number)
            records.append(Record(int(epoch), tick, value))
        else:
            follows = False
        if not follows:
            raise damaged(address, room, b"its journal has a hole or a foreign entry at " + at[:50])
    return records


def _entry(entry: object) -> tuple[bytes, bytes, bytes]:
    """An entry's id, and its first field and value; empty where it is not formed like one."""
    if is_list(entry) and len(entry) == 2:
        at, fields = entry
        if isinstance(at, bytes) and is_list(fields) and len(fields) >= 2:
            field, value = fields[:2]
            if isinstance(field, bytes) and isinstance(value, bytes):
                return at, field, value
    return b"", b"", b""
