"""Vectors of messages: the bytes of one of each, with and without what may be left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from shared.chunks import pack_chunk
from shared.errors import CloseCode
from shared.from_client import decode_from_client
from shared.match import NOTHING, Chunks
from shared.messages import (
    Close,
    Digest,
    InputItem,
    InputMessage,
    Join,
    Leave,
    Renew,
    Resume,
    Role,
    RoomStatus,
    Status,
    Time,
    TimeAnswer,
    Welcome,
    decode_from_server,
    frame_bytes,
)
from shared.schema import describe
from tests.vectors.zoo import Zoo

NONCE = bytes(range(16))


def make_messages() -> dict[str, Any]:
    """`to_server` and `to_client`: `{hex, decoded}` for each message."""
    return {
        "to_server": [_vector(decode_from_client, payload) for payload in client_messages()],
        "to_client": [_vector(decode_from_server, payload) for payload in server_messages()],
    }


def client_messages() -> list[bytes]:
    """One of each message to the server, and more."""
    item = InputItem(7, [-64, 32767, 1, 0], ([0, "héllo", 0.5], [0, "", -0.0]))
    return [
        Join(NONCE, "zoo", {}, "").encode(),
        Join(
            NONCE,
            "zoo",
            {"room": "quiet-otter", "bots": 2, "private": True, "beasts": 3, "motto": "é"},
            "Ada",
            Role.SPECTATOR,
            "id-1",
            "1.2",
        ).encode(),
        Resume(b"\x00\xffsealed", 1_700_000_000_000, 0, 1).encode(),
        InputMessage(0, ()).encode(),
        InputMessage(2**32 + 8, (InputItem(2**32 + 1, None),)).encode(),
        Resume(b"far", 5, 2**32 + 8, 2**53).encode(),
        InputMessage(300, (InputItem(6, None), item, InputItem(8, []))).encode(),
        Time(1234.5).encode(),
        Time(5).encode(),
        Leave().encode(),
    ]


def server_messages() -> list[bytes]:
    """One of each message to a client, and more."""
    chunk = Chunks(1, pack_chunk(2, [4], [[3, [5, 6], [0, 1], [9, 300]]]))
    refusals = [[6, 1, "not your turn"], [7, 0, "skipped"]]
    return [
        Welcome(b"\x01token", "quiet-otter", 5, 2, 20, 1, describe(Zoo())).encode(),
        Welcome(b"", "", 1, 0, 128, 2, [[], [], [], []]).encode(),
        frame_bytes(1, 0, 1, 0, None, None, NOTHING),
        frame_bytes(70_000, 69_999, 69_998, 7, refusals, [[3, [9, 10]]], chunk, NOTHING, chunk),
        frame_bytes(2**32 + 8, 2**32 + 7, 2**32 + 8, 2**32, None, None, NOTHING),
        Renew(60_000).encode(),
        TimeAnswer(1234.5, 99.25, 70_000).encode(),
        RoomStatus(6, 70_000, Status.PAUSED).encode(),
        RoomStatus(6, 70_000, Status.LIVE, [[], [], [], []]).encode(),
        Digest(70_000, 0xFFFF_FFFF).encode(),
        Close(CloseCode.REPLACED, "another connection took this seat").encode(),
        Close(CloseCode.UNAVAILABLE, "full", 2_000).encode(),
    ]


def _vector(decode: Callable[[bytes], Any], payload: bytes) -> dict[str, Any]:
    message = decode(payload)
    return {"hex": payload.hex(), "decoded": {"message": type(message).__name__, **_plain(message)}}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, InputItem | InputMessage):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if type(value) is dict:
        entries = cast("dict[str, Any]", value)
        return {key: _plain(part) for key, part in entries.items()}
    if type(value) in (list, tuple):
        return [_plain(part) for part in cast("list[Any]", value)]
    return value.value if isinstance(value, Enum) else value
