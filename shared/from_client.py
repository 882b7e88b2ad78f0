"""What a client sent: bytes to messages, and nothing but `RemoteError(BAD_MESSAGE)` for the rest.

Every bound of docs/PROTOCOL.md is checked here. Items beyond those known are ignored.
"""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import Any, cast

import msgpack

from . import limits
from .columns import is_list
from .errors import CloseCode, RemoteError
from .messages import InputItem, InputMessage, Join, Leave, Resume, Role, Time, ToServer

# [3, tick held, [seq, [value ...]]] with a dozen values or more: too short for any other limit.
PLAIN_BYTES_MAX = 64
_PLAIN_HEAD = b"\x93\x03"
_PLAIN_TYPES = frozenset((int, float, bool))

TO_SERVER = "JOIN (1), RESUME (2), INPUT (3), TIME (4) or LEAVE (5)"


def bad(reason: str) -> RemoteError:
    """A client's message is malformed; the reason says what was wrong."""
    return RemoteError(CloseCode.BAD_MESSAGE, reason)


def decode_from_client(payload: bytes) -> ToServer:
    """One message to the server; RemoteError says what is wrong with it."""
    if len(payload) <= PLAIN_BYTES_MAX and payload.startswith(_PLAIN_HEAD):
        plain = _plain(payload)
        if plain is not None:
            return plain
    message = _unpack(payload)
    if not is_list(message) or not message or type(message[0]) is not int:
        raise bad("a message is a msgpack array whose first item is its type, an integer")
    try:
        match message[0]:
            case 3:
                return _input(message)
            case 4:
                return _time(message)
            case 1:
                return _join(message)
            case 2:
                return _resume(message)
            case 5:
                return Leave()
            case unknown:
                raise bad(f"message type {unknown} is unknown; expected {TO_SERVER}"[:120])
    except IndexError:
        raise bad(f"message type {message[0]} has too few items") from None


def _plain(payload: bytes) -> InputMessage | None:
    """An INPUT of one item without actions, which nearly every message is; None for any other.

    It takes nothing that the careful way would not, and finds no fault: that is left to the other.
    """
    try:
        _, held, item = msgpack.unpackb(payload)
        seq, values = item
    except (ValueError, TypeError):
        return None
    if (
        type(held) is type(seq) is int
        and 0 <= held <= limits.INTEGER_MAX
        and 0 < seq <= limits.INTEGER_MAX
        and type(item) is type(values) is list
        and _PLAIN_TYPES.issuperset(map(type, values))
    ):
        return InputMessage(held, (InputItem(seq, values, (), None),))
    return None


_open = partial(
    msgpack.unpackb,
    strict_map_key=True,
    max_str_len=limits.MESSAGE_BYTES_MAX,
    max_bin_len=limits.TOKEN_BYTES_MAX,
    max_array_len=max(limits.INPUT_ITEMS_MAX + 8, 256),
    max_map_len=limits.OPTIONS_MAX,
    max_ext_len=0,
)


def _unpack(payload: bytes) -> Any:
    try:
        return _open(payload)
    except ValueError as error:
        raise bad(f"not msgpack this server takes: {type(error).__name__}: {error}"[:120]) from None


def _whole(value: Any, what: str, most: int = 2**53) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise bad(f"{what} must be a whole number from 0 to {most}")
    return value


def _text(value: Any, what: str, chars_max: int) -> str:
    if type(value) is not str or len(value) > chars_max:
        raise bad(f"{what} must be text of at most {chars_max} characters")
    return value


def _input(message: list[Any]) -> InputMessage:
    held = _whole(message[1], "tick held")
    if len(message) - 2 > limits.INPUT_ITEMS_MAX:
        raise bad(f"an INPUT has at most {limits.INPUT_ITEMS_MAX} items")
    items: list[InputItem] = []
    for item in message[2:]:
        if not is_list(item) or len(item) < 2:
            raise bad("an INPUT's item is [seq, input or nil, tick drawn?, action ...]")
        seq, values = item[0], item[1]
        if type(seq) is not int or not 0 < seq <= limits.INTEGER_MAX:
            raise bad(f"seq must be a whole number from 1 to {limits.INTEGER_MAX}")
        if values is not None and not is_list(values):
            raise bad("an input is an array of its field values, or nil")
        if len(item) == 2:
            items.append(InputItem(seq, values))
            continue
        # No action is a number, so one in the first place behind the input is the tick drawn.
        drawn = _whole(item[2], "tick drawn") if type(item[2]) is int else None
        actions = item[2:] if drawn is None else item[3:]
        if len(actions) > limits.ACTIONS_PER_ITEM_MAX:
            raise bad(f"an item has at most {limits.ACTIONS_PER_ITEM_MAX} actions")
        for action in actions:
            if not is_list(action) or not action or type(action[0]) is not int:
                raise bad("an action is [index, value ...]")
        items.append(InputItem(seq, values, tuple(actions), drawn))
    return InputMessage(held, tuple(items))


def _time(message: list[Any]) -> Time:
    value = message[1]
    if (type(value) is not float and type(value) is not int) or not isfinite(value):
        raise bad("TIME carries the client's milliseconds, a finite number")
    if abs(value) > limits.INTEGER_MAX:
        raise bad("TIME carries the client's milliseconds, below 2**53")
    return Time(value)


def _join(message: list[Any]) -> Join:
    nonce, options, role = message[1], message[3], message[5]
    if type(nonce) is not bytes or len(nonce) != limits.NONCE_BYTES:
        raise bad(f"JOIN's nonce must be {limits.NONCE_BYTES} bytes")
    if role not in (0, 1) or type(role) is not int:
        raise bad("JOIN's role must be 0 (player) or 1 (spectator)")
    identity = message[6]
    return Join(
        nonce,
        _text(message[2], "JOIN's game", limits.GAME_CHARS_MAX),
        _options(options),
        _text(message[4], "JOIN's name", 16 * limits.NAME_CHARS_MAX),
        Role(role),
        None if identity is None else _text(identity, "identity", limits.IDENTITY_CHARS_MAX),
        _text(message[7], "JOIN's build", limits.BUILD_CHARS_MAX),
    )


def _options(value: Any) -> dict[str, Any]:
    options = cast("dict[Any, Any]", value)
    # A msgpack map may have byte strings for keys.
    if type(value) is not dict or set(map(type, options)) - {str}:
        raise bad("JOIN's options must be a map from names to values")
    return options


def _resume(message: list[Any]) -> Resume:
    token = message[1]
    if type(token) is not bytes:
        raise bad("RESUME's token must be bytes, as WELCOME gave it")
    return Resume(
        token,
        _whole(message[2], "RESUME's epoch"),
        _whole(message[3], "RESUME's tick held"),
        _whole(message[4], "RESUME's first seq"),
    )
