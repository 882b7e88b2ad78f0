"""What a client sent: taken where it is whole, and else refused with what was wrong."""

from __future__ import annotations

from random import Random
from typing import Any

import msgpack
import pytest

from shared.chunks import pack
from shared.errors import CloseCode, RemoteError
from shared.from_client import bad, decode_from_client
from shared.messages import InputItem, InputMessage, Join, Leave, Resume, Role, Time
from tests.vectors.messages import client_messages

NONCE = bytes(16)
JOIN: list[Any] = [1, NONCE, "coins", {"bots": 2}, "Ada", 0, None, ""]
MESSAGES: list[Any] = [
    Join(NONCE, "coins", {"bots": 2}, "Ada"),
    Join(NONCE, "c" * 64, {"o" * n: None for n in range(16)}, "n" * 384, Role.SPECTATOR, "", "b"),
    Resume(b"", 2**53, 0, 0),
    Resume(b"t" * 128, 1, 2**53, 2**53),
    InputMessage(0, ()),
    InputMessage(2**53, (InputItem(2**53, [1, 0]), InputItem(1, None, ([0], [1, "hi"])))),
    InputMessage(5, tuple(InputItem(seq, None, ([0],) * 8) for seq in range(1, 65))),
    InputMessage(9, (InputItem(1, [1], (), 0), InputItem(2, None, ([0], [1]), 2**53))),
    Time(1.5),
    Time(-(2**53)),
    Leave(),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_back_and_a_surplus_is_ignored(message: Any) -> None:
    payload = message.encode()
    assert decode_from_client(payload) == message
    if not isinstance(message, InputMessage):
        assert decode_from_client(pack([*msgpack.unpackb(payload), "more", None])) == message


def test_every_example_is_taken() -> None:
    for payload in client_messages():
        assert decode_from_client(payload).encode() == payload


def with_item(*item: Any) -> list[Any]:
    """An INPUT of one item."""
    return [3, 5, list(item)]


MALFORMED: list[tuple[Any, str]] = [
    (None, "a message is a msgpack array whose first item is its type, an integer"),
    ([], "a message is a msgpack array"),
    ("JOIN", "a message is a msgpack array"),
    (["1"], "a message is a msgpack array"),
    ([True], "a message is a msgpack array"),
    ([0], "message type 0 is unknown; expected JOIN (1), RESUME (2), INPUT (3), TIME (4) or"),
    ([16], "message type 16 is unknown"),
    ([-(2**63)], "message type -9223372036854775808 is unknown"),
    ([1], "message type 1 has too few items"),
    (JOIN[:7], "message type 1 has too few items"),
    ([2, b"t", 1, 2], "message type 2 has too few items"),
    ([3], "message type 3 has too few items"),
    ([4], "message type 4 has too few items"),
    ([1, NONCE[1:], *JOIN[2:]], "JOIN's nonce must be 16 bytes"),
    ([1, "a" * 16, *JOIN[2:]], "JOIN's nonce must be 16 bytes"),
    ([1, NONCE, None, *JOIN[3:]], "JOIN's game must be text of at most 64 characters"),
    ([1, NONCE, "c" * 65, *JOIN[3:]], "JOIN's game must be text of at most 64 characters"),
    ([1, NONCE, "c", [], *JOIN[4:]], "JOIN's options must be a map from names to values"),
    ([1, NONCE, "c", {b"k": 1}, *JOIN[4:]], "JOIN's options must be a map from names"),
    ([*JOIN[:4], 5, *JOIN[5:]], "JOIN's name must be text of at most 384 characters"),
    ([*JOIN[:4], "n" * 385, *JOIN[5:]], "JOIN's name must be text of at most 384 characters"),
    ([*JOIN[:5], 2, None, ""], "JOIN's role must be 0 (player) or 1 (spectator)"),
    ([*JOIN[:5], True, None, ""], "JOIN's role must be 0 (player) or 1 (spectator)"),
    ([*JOIN[:5], [], None, ""], "JOIN's role must be 0 (player) or 1 (spectator)"),
    ([*JOIN[:6], "i" * 129, ""], "identity must be text of at most 128 characters"),
    ([*JOIN[:6], b"i", ""], "identity must be text of at most 128 characters"),
    ([*JOIN[:7], "b" * 65], "JOIN's build must be text of at most 64 characters"),
    ([2, "t", 1, 2, 3], "RESUME's token must be bytes, as WELCOME gave it"),
    ([2, b"t", -1, 2, 3], "RESUME's epoch must be a whole number from 0 to 9007199254740992"),
    ([2, b"t", 1, 2.0, 3], "RESUME's tick held must be a whole number"),
    ([2, b"t", 1, 2, 2**53 + 1], "RESUME's first seq must be a whole number from 0 to 9007"),
    ([3, None], "tick held must be a whole number"),
    ([3, 5, *[[1, None]] * 65], "an INPUT has at most 64 items"),
    ([3, 5, 6], "an INPUT's item is [seq, input or nil, tick drawn?, action ...]"),
    (with_item(1), "an INPUT's item is [seq, input or nil, tick drawn?, action ...]"),
    (with_item(0, None), "seq must be a whole number from 1 to 9007199254740992"),
    (with_item(2**53 + 1, None), "seq must be a whole number from 1 to 9007199254740992"),
    (with_item(True, None), "seq must be a whole number"),
    (with_item(1, 5), "an input is an array of its field values, or nil"),
    (with_item(1, {}), "an input is an array of its field values, or nil"),
    (with_item(1, None, *[[0]] * 9), "an item has at most 8 actions"),
    (with_item(1, None, -1), "tick drawn must be a whole number from 0"),
    (with_item(1, None, 2**53 + 1), "tick drawn must be a whole number from 0"),
    (with_item(1, None, 4, 5), "an action is [index, value ...]"),
    (with_item(1, None, 4, *[[0]] * 9), "an item has at most 8 actions"),
    (with_item(1, None, True), "an action is [index, value ...]"),
    (with_item(1, None, []), "an action is [index, value ...]"),
    (with_item(1, None, ["0"]), "an action is [index, value ...]"),
    ([4, "1"], "TIME carries the client's milliseconds, a finite number"),
    ([4, True], "TIME carries the client's milliseconds, a finite number"),
    ([4, float("nan")], "TIME carries the client's milliseconds, a finite number"),
    ([4, 1e300], "TIME carries the client's milliseconds, below 2**53"),
    ([4, -(2**53) - 1], "TIME carries the client's milliseconds, below 2**53"),
]


@pytest.mark.parametrize(("items", "wrong"), MALFORMED)
def test_what_is_malformed_is_refused_with_what_was_wrong(items: Any, wrong: str) -> None:
    with pytest.raises(RemoteError) as caught:
        decode_from_client(msgpack.packb(items))
    assert caught.value.code is CloseCode.BAD_MESSAGE
    assert caught.value.reason.startswith(wrong)
    assert len(caught.value.reason) <= 120


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        Leave().encode() + b"\x00",
        b"\x91" * 3000,
        msgpack.packb([1, bytes(129)]),
        msgpack.packb([3, 5, [0] * 300]),
        msgpack.packb([1, {str(n): n for n in range(17)}]),
        msgpack.packb([1, {1: 2}]),
        msgpack.packb([1, {"k": msgpack.ExtType(1, b"x")}]),
        b"\x92\x01\xa2\xff\xfe",
    ],
)
def test_what_is_not_msgpack_or_too_large_is_refused_before_it_is_read(payload: bytes) -> None:
    with pytest.raises(RemoteError, match=r"BAD_MESSAGE .*not msgpack this server takes") as caught:
        decode_from_client(payload)
    assert len(caught.value.reason) <= 120


def test_a_reason_is_told() -> None:
    assert bad("why").reason == "why"
    assert bad("why").code is CloseCode.BAD_MESSAGE


VALUES: list[Any] = [0, -1, 255, 2**32, 2**53, 2**64 - 1, 1.5, True, None, "", b"", [], {}, [0]]
ODD: list[Any] = [*VALUES, {1: 2}, msgpack.ExtType(1, b"x"), msgpack.ExtType(0x7F, b"")]


def outcome(payload: bytes) -> InputMessage | str:
    """What decoding says, message or reason."""
    try:
        message = decode_from_client(payload)
    except RemoteError as error:
        return f"{error.code.name}: {error.reason}"
    assert isinstance(message, InputMessage)
    return message


def test_the_short_way_takes_what_the_careful_way_takes_and_refuses_what_it_refuses() -> None:
    """The head of an array may be written in three bytes, too: then only the careful way reads."""
    rng = Random(7)
    taken = 0
    for _ in range(20_000):
        held, seq = rng.choice([5, *ODD]), rng.choice([7, 7, *ODD])
        values = [rng.choice(ODD) for _ in range(rng.randrange(4))]
        item: Any = [seq, values if rng.random() < 0.9 else rng.choice(ODD)]
        item += [[0]] * (rng.random() < 0.1) + [9] * (rng.random() < 0.1)
        if rng.random() < 0.05:
            item = rng.choice(ODD)
        packed: bytes = msgpack.packb([3, held if rng.random() < 0.5 else 5, item])
        if rng.random() < 0.1:
            packed = packed[: rng.randrange(2, len(packed))]
        elif rng.random() < 0.1:
            packed += bytes([rng.randrange(256)])
        found = outcome(packed)
        assert found == outcome(b"\xdc\x00" + bytes([packed[0] & 15]) + packed[1:]), packed
        taken += isinstance(found, InputMessage)
    assert 1000 < taken < 19_000


@pytest.mark.parametrize("value", [0, 1.5, True])
def test_equal_values_of_other_types_are_not_taken_for_each_other(value: Any) -> None:
    message = decode_from_client(msgpack.packb([3, 5, [1, [value]]]))
    assert isinstance(message, InputMessage)
    [item] = message.items
    assert type(item) is InputItem
    assert item.input is not None
    assert type(item.input[0]) is type(value)
