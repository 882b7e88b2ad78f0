r"""A room as one file: all a store holds of it, to be looked at elsewhere.

```
file = "holdfast room\n" | SHA-256 of the body (32 bytes) | msgpack body
body = [format, release, exported_ms,
        [room, meta, epoch, tick, owner, status, reason, since_ms, recoveries],
        [[epoch, tick, checkpoint] ...], [[epoch, tick, record] ...]]
```
Checkpoints come newest first, records in the order of their ticks, all those after the oldest
checkpoint; what is in them server/core/journal.py says.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from server.store.base import Checkpoint, Loaded, Record, RoomEntry, Status
from shared.chunks import pack, unpack_stored
from shared.errors import StoreError

MAGIC: Final = b"holdfast room\n"
FORMAT: Final = 1
_BODY_AT: Final = len(MAGIC) + sha256().digest_size


class NotARoomFile(StoreError):
    """A file that is no room's, was damaged, or is of a newer release."""


@dataclass(frozen=True, slots=True)
class RoomFile:
    """A copy of a room; `exported_ms` is when it was made, `release` by which Holdfast."""

    release: str
    exported_ms: int
    entry: RoomEntry
    loaded: Loaded


def encode_room(file: RoomFile) -> bytes:
    """The file's bytes."""
    entry, loaded = file.entry, file.loaded
    about = [entry.room, entry.meta, loaded.epoch, entry.tick, entry.owner, entry.status.value]
    about += [entry.reason, entry.since_ms, loaded.recoveries]
    checkpoints = [[each.epoch, each.tick, each.blob] for each in loaded.checkpoints]
    records = [[each.epoch, each.tick, each.record] for each in loaded.records]
    body = pack([FORMAT, file.release, file.exported_ms, about, checkpoints, records])
    return MAGIC + sha256(body).digest() + body


def decode_room(data: bytes) -> RoomFile:
    """What `encode_room` was given; NotARoomFile says what is wrong with other bytes."""
    body = data[_BODY_AT:]
    if not data.startswith(MAGIC):
        raise NotARoomFile("it is no copy of a room, which 'export' makes")
    if sha256(body).digest() != data[len(MAGIC) : _BODY_AT]:
        raise NotARoomFile("it was damaged: its checksum does not match")
    number, *rest = unpack_stored(body)
    if number != FORMAT:
        raise NotARoomFile(f"it has format {number}, and this release reads {FORMAT}")
    release, exported_ms, about, checkpoints, records = rest
    room, meta, epoch, tick, owner, status, reason, since_ms, recoveries = about
    state = Status(status)
    return RoomFile(
        release,
        exported_ms,
        RoomEntry(room, meta, epoch, tick, owner, state, reason, since_ms),
        Loaded(
            room,
            meta,
            epoch,
            state,
            tuple(Checkpoint(*each) for each in checkpoints),
            tuple(Record(*each) for each in records),
            recoveries,
        ),
    )
