"""Messages: their bytes, and what a client makes of a server's."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from shared.chunks import pack, pack_chunk
from shared.match import NOTHING, Chunks
from shared.messages import (
    Close,
    Digest,
    Frame,
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

NONCE = bytes(16)


EXAMPLES: list[tuple[Any, list[Any]]] = [
    (
        Join(NONCE, "coins", {"bots": 2}, "Ada"),
        [1, NONCE, "coins", {"bots": 2}, "Ada", 0, None, ""],
    ),
    (
        Join(NONCE, "coins", {}, "", Role.SPECTATOR, "me", "b1"),
        [1, NONCE, "coins", {}, "", 1, "me", "b1"],
    ),
    (Resume(b"t", 5, 70, 3), [2, b"t", 5, 70, 3]),
    (InputMessage(0, ()), [3, 0]),
    (
        InputMessage(9, (InputItem(4, [1, 0]), InputItem(5, None, ([0, "hi"], [1])))),
        [3, 9, [4, [1, 0]], [5, None, [0, "hi"], [1]]],
    ),
    (Time(1.5), [4, 1.5]),
    (Leave(), [5]),
    (
        Welcome(b"t", "room", 3, 2, 20, 1, [[], [], [], []]),
        [16, b"t", "room", 3, 2, 20, 1, [[], [], [], []], [16384, 64, 8, 128]],
    ),
    (Renew(3000), [18, 3000]),
    (TimeAnswer(1.5, 2.5, 70), [19, 1.5, 2.5, 70]),
    (RoomStatus(4, 70, Status.PAUSED), [20, 4, 70, 1, None]),
    (Digest(70, 0xFFFFFFFF), [21, 70, 0xFFFFFFFF]),
    (Close(4423, "full", 500), [22, 4423, "full", 500]),
]


@pytest.mark.parametrize(("message", "items"), EXAMPLES)
def test_a_message_is_an_array_that_begins_with_its_type(message: Any, items: list[Any]) -> None:
    assert msgpack.unpackb(message.encode()) == items


@pytest.mark.parametrize(
    "message",
    [
        Welcome(b"t", "room", 3, 2, 20, 1, [[], [], [], []], [1, 2, 3, 4]),
        Renew(3000),
        TimeAnswer(5, 2.5, 70),
        RoomStatus(4, 70, Status.UNCOMMITTED, [[]]),
        Digest(70, 9),
        Close(4423, "full"),
    ],
)
def test_a_servers_message_comes_back_and_a_surplus_is_ignored(message: Any) -> None:
    payload = message.encode()
    assert decode_from_server(payload) == message
    assert decode_from_server(pack([*msgpack.unpackb(payload), "more", None])) == message


CHUNK = Chunks(1, pack_chunk(2, [4], [[3, [5, 6], [0, 1], [9, 300]]]))


@pytest.mark.parametrize("copies", [0, 1, 15, 16, 70_000])
def test_a_frame_is_a_head_joined_to_chunks_encoded_before(copies: int) -> None:
    many = Chunks(copies, CHUNK.data * copies)
    refusals = [[6, 1, "no"], [7, 0, "skipped"]]
    payload = frame_bytes(70, 69, 68, 7, refusals, [[3, [9]]], many, NOTHING, CHUNK)
    chunk = [2, [4], [3, [5, 6], [0, 1], [9, 300]]]
    assert msgpack.unpackb(payload) == [
        *(17, 70, 69, 68, 7, refusals, [[3, [9]]], [chunk] * (copies + 1))
    ]
    assert decode_from_server(payload) == Frame(
        70, 69, 68, 7, [(6, 1, "no"), (7, 0, "skipped")], [[3, [9]]], [chunk] * (copies + 1)
    )


def test_a_frame_of_nothing() -> None:
    payload = frame_bytes(1, 0, 1, 0, None, None)
    assert decode_from_server(payload) == Frame(1, 0, 1, 0, None, None, [])


@pytest.mark.parametrize("number", [24, 99, 2**40])
def test_a_type_of_a_later_version_is_no_error(number: int) -> None:
    assert decode_from_server(pack([number, "whatever"])) is None


FRAME: list[Any] = [17, 5, 4, 5, 0, None, None, []]


MALFORMED: list[tuple[Any, str]] = [
    (None, "not a message: None"),
    ([], r"not a message: \[\]"),
    ("text", "not a message"),
    ({}, "not a message"),
    ([1], "not a message"),
    (["17", 5], "not a message"),
    ([15], "not a message"),
    (FRAME[:7], "not a message"),
    ([*FRAME[:7], None], "not a message"),
    ([17, "5", *FRAME[2:]], "not a message"),
    ([17, 5, None, *FRAME[3:]], "not a message"),
    ([17, 5, 6, *FRAME[3:]], "a FRAME of tick 5 from tick 6"),
    ([17, 5, -1, *FRAME[3:]], "a FRAME of tick 5 from tick -1"),
    ([*FRAME[:6], 5, []], "dropped rows are an array or nil"),
    ([*FRAME[:5], 5, None, []], "refusals are an array or nil"),
    ([*FRAME[:5], [5], None, []], r"a refusal is \[seq, index, reason\], not 5"),
    ([*FRAME[:5], [[1, 2]], None, []], "a refusal is"),
    ([*FRAME[:5], [[1, 2, 3]], None, []], "a refusal is"),
    ([16, b"", "", 1, 2, 0, 1, [], []], "a WELCOME with 0 ticks a second, 1 between frames"),
    ([16, b"", "", 1, 2, 20, 0, [], []], "a WELCOME with 20 ticks a second, 0 between"),
    ([16, "", "", 1, 2, 20, 1, [], []], "not a message"),
    ([16, b"", "", 1, 2, 20, 1, []], "not a message"),
    ([18, None], "not a message"),
    ([19, "1", 2.5, 3], "not a message"),
    ([20, 1, 2, 3, None], "3 is not a valid Status"),
    ([20, 1, 2, [], None], "not a valid Status"),
    ([20, 1, 2, 0], "not a message"),
    ([21, 1], "not a message"),
    ([22, 4400, "bad"], "not a message"),
    ([22, 4400, "bad", "soon"], "not a message"),
]


@pytest.mark.parametrize(("items", "wrong"), MALFORMED)
def test_a_malformed_message_from_a_server_is_a_value_error(items: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        decode_from_server(pack(items))
