"""A room in a file is the room, to the byte, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.store.base import Checkpoint, Loaded, Record, RoomEntry, Status
from server.store.room_file import MAGIC, NotARoomFile, RoomFile, decode_room, encode_room

ENTRY = RoomEntry("coins123", b"meta", 7, 9, "a", Status.QUARANTINED, "it hung", 5)
LOADED = Loaded(
    "coins123",
    b"meta",
    7,
    Status.QUARANTINED,
    (Checkpoint(7, 8, b"\x00new"), Checkpoint(6, 4, b"old")),
    (Record(6, 5, b"five"), Record(7, 2**40, b"")),
    2,
)
FILE = RoomFile("0.1.0", 1_700_000_000_000, ENTRY, LOADED)


def test_a_file_is_read_as_it_was_written() -> None:
    found = decode_room(encode_room(FILE))
    assert found == FILE
    assert found.entry.since_ms == 5


@given(st.data())
def test_a_file_with_one_other_byte_is_refused(data: st.DataObject) -> None:
    whole = bytearray(encode_room(FILE))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NotARoomFile):
        decode_room(bytes(whole))


@pytest.mark.parametrize("data", [b"", b"PNG", MAGIC, MAGIC + bytes(31), encode_room(FILE)[:-1]])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(NotARoomFile):
        decode_room(data)
