"""Letters between processes, as bytes: what edges ask of a room they follow, and operators of both.

```
letter  = [sender, request ...]      to a room, from the edge `sender`; to a process likewise
request = [1, nonce, name, identity]              a seat, maybe the one the nonce has already
        | [2, player]                             give a seat up
        | [3, player, connection, first seq]      a session came on a new connection (0: a poll)
        | [4, player, [seq, input or nil, [action ...], seen] ...]
        | [5, [player ...], spectators]           whose connections are open at the sender
        | [6, reason, place]                      the game failed at the sender: end the room
        | [7, process or ""]                      hand the room over
        | [8, room]                               take this room
```
A letter comes from a process of ours, through a store that others might write to: what cannot be
read is a ValueError, and an input in it is checked as one from a client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.core.hooks import EXPLANATION_CHARS_MAX
from server.core.inbox import Item, decode_items
from server.core.lobby import is_room_id
from server.core.room import SeatRequest
from shared.chunks import pack, unpack_stored
from shared.columns import is_list, short
from shared.errors import RemoteError
from shared.game import Game
from shared.limits import (
    ACTIONS_PER_ITEM_MAX,
    ENTITY_ID_MAX,
    IDENTITY_CHARS_MAX,
    INTEGER_MAX,
    NAME_CHARS_MAX,
    NONCE_BYTES,
    REASON_CHARS_MAX,
)
from shared.messages import InputItem

JOIN, LEAVE, RESUME, ITEMS, PRESENT, FAIL, MOVE, ADOPT = range(1, 9)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A player gives the seat up."""

    player: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """A session goes on on this connection; it holds no input before `first_seq`."""

    player: int
    connection: int
    first_seq: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a player asks for, in order of seq."""

    player: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Whose connections are open at one edge."""

    players: frozenset[int]
    spectators: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A hook that the sender calls raised, at this place in the game's files ("": none of them)."""

    reason: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """Hand the room over, to this process or ("") to any."""

    to: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take a room that nobody else would."""

    room: str


Request = SeatRequest | Leaving | Resumed | Asked | Present | Failed | Move | Adopt


def encode_letter(sender: str, requests: Sequence[Request], game: Game | None = None) -> bytes:
    """A letter's bytes; `game` is the room's, which gives actions their numbers."""
    return pack([sender, *(_wire(request, game) for request in requests)])


def decode_letter(letter: bytes, game: Game | None = None) -> tuple[str, list[Request]]:
    """Who sent it, and what is asked; ValueError if it is no letter.

    `game` is the room's, by whose declarations inputs are read; None for a letter to a process.
    """
    body = unpack_stored(letter)
    if not is_list(body) or not body or type(body[0]) is not str:
        raise ValueError(f"not a letter: {short(body)}")
    return body[0], [_request(wire, game) for wire in body[1:]]


def encode_move(to: str | None) -> bytes:
    """The letter by which an operator asks a room's owner to hand it over."""
    return encode_letter("operator", [Move(to or "")])


def _wire(request: Request, game: Game | None) -> list[Any]:
    match request:
        case SeatRequest():
            return [JOIN, request.nonce, request.name, request.identity]
        case Leaving(player):
            return [LEAVE, player]
        case Resumed(player, connection, first_seq):
            return [RESUME, player, connection, first_seq]
        case Asked(player, items):
            assert game is not None
            return [ITEMS, player, *(_item_wire(item, game) for item in items)]
        case Present(players, spectators):
            return [PRESENT, sorted(players), spectators]
        case Failed(reason, place):
            return [FAIL, reason, place]
        case Move(to):
            return [MOVE, to]
        case _:
            return [ADOPT, request.room]


def _item_wire(item: Item, game: Game) -> list[Any]:
    sample = None if item.input is None else item.input.to_wire()
    kinds = game.actions
    actions = [[kinds.index(type(action)), *action.to_wire()] for action in item.actions]
    return [item.seq, sample, actions, item.seen]


def _request(wire: Any, game: Game | None) -> Request:
    match wire:
        case [1, bytes(nonce), str(name), str(identity), *_] if (
            len(nonce) == NONCE_BYTES
            and len(name) <= NAME_CHARS_MAX
            and len(identity) <= IDENTITY_CHARS_MAX
        ):
            return SeatRequest(nonce, name, identity)
        case [2, player, *_] if _are_ids(player):
            return Leaving(player)
        case [3, player, connection, first_seq, *_] if _are_ids(player) and _are_numbers(
            connection, first_seq
        ):
            return Resumed(player, connection, first_seq)
        case [4, player, *items] if game is not None and _are_ids(player):
            return Asked(player, _items(game, items))
        case [5, here, spectators, *_] if (
            is_list(here) and _are_ids(*here) and _are_numbers(spectators)
        ):
            return Present(frozenset(here), spectators)
        case [6, str(reason), *rest]:
            place = rest[0] if rest and type(rest[0]) is str else ""
            return Failed(reason[:EXPLANATION_CHARS_MAX], place[:REASON_CHARS_MAX])
        case [7, str(to), *_]:
            return Move(to)
        case [8, str(room), *_] if is_room_id(room):
            return Adopt(room)
        case _:
            raise ValueError(f"not a request: {short(wire)}")


def _are_ids(*values: Any) -> bool:
    """Whether these are ids of rows, or 0."""
    return _are_numbers(*values, most=ENTITY_ID_MAX)


def _are_numbers(*values: Any, most: int = INTEGER_MAX) -> bool:
    """Whether these are whole numbers that fit a row's column: any other would fail a tick."""
    return all(type(value) is int and 0 <= value <= most for value in values)


def _items(game: Game, wires: list[Any]) -> tuple[Item, ...]:
    raw: list[InputItem] = []
    ticks: list[int] = []
    for wire in wires:
        match wire:
            case [seq, sample, actions, seen, *_] if (
                _are_numbers(seq, seen)
                and is_list(actions)
                and (sample is None or is_list(sample))
                and len(actions) <= ACTIONS_PER_ITEM_MAX
                and all(is_list(action) and action for action in actions)
            ):
                ticks.append(seen)
                raw.append(InputItem(seq, sample, tuple(actions)))
            case _:
                raise ValueError(f"not an input: {short(wire)}")
    try:
        items = decode_items(game, raw)
        return tuple(item._replace(seen=at) for item, at in zip(items, ticks, strict=True))
    except RemoteError as error:
        raise ValueError(error.reason) from None
