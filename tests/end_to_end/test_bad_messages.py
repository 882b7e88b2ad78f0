"""What is wrong inside a message: the connection it came on closes with 4400 and the reason."""

from __future__ import annotations

import os
from typing import Any

import msgpack
import pytest

from tests.end_to_end.client import (
    INPUT,
    JOIN,
    LEAVE,
    RESUME,
    TIME,
    Ending,
    connected,
    pack,
)
from tests.end_to_end.server import Server
from tests.end_to_end.witness import unharmed

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

NOT_TAKEN = "not msgpack this server takes: "
NO_ARRAY = "a message is a msgpack array whose first item is its type, an integer"
EXPECTED = "expected JOIN (1), RESUME (2), INPUT (3), TIME (4) or LEAVE (5)"
NONCE = os.urandom(16)
NAN, INFINITE = float("nan"), float("inf")


def join(**changes: Any) -> bytes:
    """A JOIN that is right but for the changes."""
    items: dict[str, Any] = {
        "nonce": NONCE,
        "game": "yard",
        "options": {},
        "name": "raw",
        "role": 0,
        "identity": None,
        "build": "",
    }
    return pack(JOIN, *(items | changes).values())


UNREADABLE = {
    "empty": (b"", NOT_TAKEN),
    "no msgpack": (b"\xc1", NOT_TAKEN + "FormatError"),
    "truncated": (join()[:-1], NOT_TAKEN),
    "cut inside a text": (join()[:25], NOT_TAKEN),
    "with more behind": (pack(LEAVE) + b"\x00", NOT_TAKEN + "ExtraData"),
    "nested too deep to read": (b"\x91" * 8000 + b"\xc0", NOT_TAKEN + "StackError"),
    "nested deep": (b"\x91" * 400 + b"\xc0", NO_ARRAY),
    "an array of four thousand million": (b"\xdd\xff\xff\xff\xff", NOT_TAKEN),
    "a text of four thousand million": (b"\x92\x01\xdb\xff\xff\xff\xff", NOT_TAKEN),
    "a long array": (pack(INPUT, *range(300)), NOT_TAKEN),
    "an extension": (msgpack.packb([JOIN, msgpack.ExtType(5, b"x")]), NOT_TAKEN),
    "a timestamp": (b"\x92\x04\xd6\xff\x00\x00\x00\x00", NOT_TAKEN),
    "no UTF-8": (b"\x92\x01\xa2\xff\xff", NOT_TAKEN + "UnicodeDecodeError"),
    "a map": (msgpack.packb({"type": 1}), NO_ARRAY),
    "an integer": (msgpack.packb(1), NO_ARRAY),
    "nil": (b"\xc0", NO_ARRAY),
    "an empty array": (b"\x90", NO_ARRAY),
    "a text for a type": (pack("JOIN"), NO_ARRAY),
    "a fraction for a type": (pack(1.0), NO_ARRAY),
    "a truth for a type": (pack(True), NO_ARRAY),
    "an unknown type": (pack(99), f"message type 99 is unknown; {EXPECTED}"),
    "a type of the server's": (pack(16), f"message type 16 is unknown; {EXPECTED}"),
    "a negative type": (pack(-1), f"message type -1 is unknown; {EXPECTED}"),
    "too few items": (pack(JOIN, NONCE), "message type 1 has too few items"),
}

WRONG = {
    "nonce of text": (join(nonce="x" * 16), "JOIN's nonce must be 16 bytes"),
    "short nonce": (join(nonce=b"x"), "JOIN's nonce must be 16 bytes"),
    "game no text": (join(game=7), "JOIN's game must be text of at most 64 characters"),
    "options no map": (join(options=[]), "JOIN's options must be a map from names to values"),
    "option of bytes": (join(options={b"x": 1}), "JOIN's options must be a map"),
    "long name": (join(name="x" * 385), "JOIN's name must be text of at most 384 characters"),
    "role two": (join(role=2), "JOIN's role must be 0 (player) or 1 (spectator)"),
    "role true": (join(role=True), "JOIN's role must be 0 (player) or 1 (spectator)"),
    "identity of bytes": (join(identity=b"me"), "identity must be text of at most 128 characters"),
    "token of text": (pack(RESUME, "x", 1, 0, 1), "RESUME's token must be bytes"),
    "epoch negative": (pack(RESUME, b"x", -1, 0, 1), "RESUME's epoch must be a whole number"),
    "held not a number": (pack(RESUME, b"x", 1, NAN, 1), "RESUME's tick held must be a whole"),
    "seq too large": (
        pack(RESUME, b"x", 1, 0, 2**53 + 1),
        "RESUME's first seq must be a whole number",
    ),
}

ITEM = "an INPUT's item is [seq, input or nil, tick drawn?, action ...]"

WRONG_LATER = {
    "held negative": (pack(INPUT, -1), "tick held must be a whole number from 0 to"),
    "held a fraction": (pack(INPUT, 0.5), "tick held must be a whole number from 0 to"),
    "held infinite": (pack(INPUT, INFINITE), "tick held must be a whole number from 0 to"),
    "held huge": (pack(INPUT, 2**63), "tick held must be a whole number from 0 to"),
    "item no array": (pack(INPUT, 0, 7), ITEM),
    "item too short": (pack(INPUT, 0, [1]), ITEM),
    "too many items": (
        pack(INPUT, 0, *([seq, None] for seq in range(1, 66))),
        "an INPUT has at most 64 items",
    ),
    "seq zero": (
        pack(INPUT, 0, [0, None]),
        "seq must be a whole number from 1 to 9007199254740992",
    ),
    "seq a text": (pack(INPUT, 0, ["1", None]), "seq must be a whole number from 1 to"),
    "seq not a number": (pack(INPUT, 0, [NAN, None]), "seq must be a whole number from 1 to"),
    "input no array": (pack(INPUT, 0, [1, {"x": 1}]), "an input is an array of its field values"),
    "input too short": (pack(INPUT, 0, [1, [1]]), "input 1: expected a list of 2 values"),
    "input out of range": (
        pack(INPUT, 0, [1, [2, 0]]),
        "input 1: 2 is not a whole number from -1 to 1",
    ),
    "input of text": (pack(INPUT, 0, [1, ["left", 0]]), "input 1: 'left' is not a whole number"),
    "input a fraction": (pack(INPUT, 0, [1, [0.5, 0]]), "input 1: 0.5 is not a whole number"),
    "input not a number": (pack(INPUT, 0, [1, [0, NAN]]), "input 1: nan is not a finite number"),
    "input infinite": (pack(INPUT, 0, [1, [0, -INFINITE]]), "input 1: -inf is not a finite number"),
    "input beyond its kind": (
        pack(INPUT, 0, [1, [0, 1e300]]),
        "input 1: 1e+300 is not a finite number",
    ),
    "action no array": (pack(INPUT, 0, [1, None, 5, 5]), "an action is [index, value ...]"),
    "unknown action": (pack(INPUT, 0, [1, None, [7]]), "input 1: action 7; this game has 1"),
    "negative action": (pack(INPUT, 0, [1, None, [-1]]), "input 1: action -1; this game has 1"),
    "action of a number": (
        pack(INPUT, 0, [1, None, [0, 5]]),
        "input 1: 5 is not text of at most 20",
    ),
    "action too long": (
        pack(INPUT, 0, [1, None, [0, "x" * 21]]),
        "input 1: 'xxxxxxxxxxxxxxxxxxxxx' is",
    ),
    "too many actions": (
        pack(INPUT, 0, [1, None, *([[0, "hi"]] * 9)]),
        "an item has at most 8 actions",
    ),
    "seq leaves a gap": (pack(INPUT, 0, [3, None]), "input seq 3 leaves a gap; the next is 1"),
    "held in the future": (pack(INPUT, 10**6), "tick held 1000000 was never sent; the newest is"),
    "time not a number": (pack(TIME, NAN), "TIME carries the client's milliseconds, a finite"),
    "time infinite": (pack(TIME, INFINITE), "TIME carries the client's milliseconds, a finite"),
    "time huge": (pack(TIME, 1e300), "TIME carries the client's milliseconds, below 2**53"),
    "time of text": (pack(TIME, "now"), "TIME carries the client's milliseconds, a finite"),
    "JOIN again": (join(), "JOIN and RESUME are first messages; open another connection"),
    "RESUME after JOIN": (
        pack(RESUME, b"x", 1, 0, 1),
        "JOIN and RESUME are first messages; open another connection",
    ),
}

OUT_OF_TURN = {
    "INPUT first": pack(INPUT, 0, [1, [1, 0]]),
    "TIME first": pack(TIME, 1),
    "LEAVE first": pack(LEAVE),
}


def closed(ending: Ending, code: int, reason: str) -> None:
    """The close frame and the CLOSE before it say the same, once for a program, once for people."""
    assert ending.code == code, ending
    assert ending.reason.startswith(reason), ending
    assert ending.close is not None
    assert ending.close[1:3] == [code, ending.reason]
    # Trying again would bring the same.
    assert ending.close[3] is None


@pytest.mark.parametrize("name", [*UNREADABLE, *WRONG])
async def test_a_bad_first_message_closes_its_connection(server: Server, name: str) -> None:
    payload, reason = (UNREADABLE | WRONG)[name]
    async with unharmed(server), connected(server) as client:
        await client.say(payload)
        closed(await client.ended(), 4400, reason)


@pytest.mark.parametrize("name", [*UNREADABLE, *WRONG_LATER])
async def test_a_bad_message_of_a_player_closes_its_connection(server: Server, name: str) -> None:
    payload, reason = (UNREADABLE | WRONG_LATER)[name]
    async with unharmed(server) as witness, connected(server) as client:
        seat = await client.join(room=witness.seat.room)
        assert seat.player != witness.seat.player
        await client.say(payload)
        closed(await client.ended(), 4400, reason)


@pytest.mark.parametrize("name", OUT_OF_TURN)
async def test_nothing_comes_before_join(server: Server, name: str) -> None:
    async with unharmed(server), connected(server) as client:
        await client.say(OUT_OF_TURN[name])
        closed(await client.ended(), 4400, "the first message must be JOIN or RESUME")


async def test_nothing_comes_between_join_and_welcome(server: Server) -> None:
    async with unharmed(server), connected(server) as client:
        await client.say(join(nonce=os.urandom(16)))
        await client.say(pack(INPUT, 0, [1, [1, 0]]))
        closed(await client.ended(), 4400, "wait for WELCOME before the next message")


async def test_a_spectator_has_no_inputs(server: Server) -> None:
    async with unharmed(server) as witness, connected(server) as client:
        seat = await client.join(role=1, room=witness.seat.room)
        assert seat.player == 0
        # To say which tick it holds is a spectator's right.
        await client.say(pack(INPUT, client.tick))
        await client.say(pack(INPUT, client.tick, [1, [1, 0]]))
        closed(await client.ended(), 4400, "a spectator has no inputs")


async def test_items_of_a_later_version_are_ignored(server: Server) -> None:
    async with unharmed(server) as witness, connected(server) as client:
        options = {"room": witness.seat.room}
        await client.send(
            JOIN, os.urandom(16), "yard", options, "new", 0, None, "", "more", {"a": 1}
        )
        await client.welcomed()
        await client.send(TIME, 5, "more")
        assert (await client.hear(19))[1] == 5
