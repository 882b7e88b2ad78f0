"""The messages of the wire: bytes to dataclasses and back (docs/PROTOCOL.md).

What a client sent is decoded, with suspicion, in `from_client.py`; what a server sent, here. Items
beyond those known are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from . import limits
from .chunks import array_head, pack, unpack_stored
from .columns import is_list, short
from .match import Chunks

SUBPROTOCOL = "holdfast.1"
# A client takes no frame in more parts than this.
PARTS_MAX = -(-limits.FRAME_BYTES_MAX // limits.PART_BYTES)

JOIN, RESUME, INPUT, TIME, LEAVE = 1, 2, 3, 4, 5
WELCOME, FRAME, RENEW, TIME_ANSWER, ROOM, DIGEST, CLOSE, PART = 16, 17, 18, 19, 20, 21, 22, 23


class Role(IntEnum):
    """How a session takes part."""

    PLAYER = 0
    SPECTATOR = 1


class Status(IntEnum):
    """What a room says of itself in `ROOM`."""

    LIVE = 0
    PAUSED = 1
    UNCOMMITTED = 2


@dataclass(frozen=True, slots=True)
class Join:
    """Ask for a seat; the same nonce asks for the same seat."""

    nonce: bytes
    game: str
    options: dict[str, Any]
    name: str
    role: Role = Role.PLAYER
    identity: str | None = None
    build: str = ""

    def encode(self) -> bytes:
        """The message's bytes."""
        head = (JOIN, self.nonce, self.game, self.options)
        return pack([*head, self.name, self.role, self.identity, self.build])


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a session from the tick held."""

    token: bytes
    epoch: int
    held: int
    first_seq: int

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([RESUME, self.token, self.epoch, self.held, self.first_seq])


class InputItem(NamedTuple):
    """One item of an INPUT: the input's wire values or None, and actions `[index, value ...]`.

    `drawn` is the tick that was on the screen, None where it is not said.
    """

    seq: int
    input: list[Any] | None
    actions: tuple[list[Any], ...] = ()
    drawn: int | None = None

    def wire(self) -> list[Any]:
        """The item as an INPUT holds it."""
        drawn = () if self.drawn is None else (self.drawn,)
        return [self.seq, self.input, *drawn, *self.actions]


class InputMessage(NamedTuple):
    """What a player asks for, and the newest tick held (0: none)."""

    held: int
    items: tuple[InputItem, ...]

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([INPUT, self.held, *(item.wire() for item in self.items)])


@dataclass(frozen=True, slots=True)
class Time:
    """A client's clock, to be answered with the server's."""

    client_ms: float

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([TIME, self.client_ms])


@dataclass(frozen=True, slots=True)
class Leave:
    """Give the seat up."""

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([LEAVE])


@dataclass(frozen=True, slots=True)
class Welcome:
    """A session begins or goes on."""

    token: bytes
    room: str
    epoch: int
    player: int
    tick_rate: int
    send_every: int
    schema: Any
    limits: Sequence[int] = (
        limits.MESSAGE_BYTES_MAX,
        limits.INPUT_ITEMS_MAX,
        limits.ACTIONS_PER_ITEM_MAX,
        limits.UNACKED_INPUTS_MAX,
    )

    def encode(self) -> bytes:
        """The message's bytes."""
        head = (WELCOME, self.token, self.room, self.epoch, self.player)
        return pack([*head, self.tick_rate, self.send_every, self.schema, list(self.limits)])


@dataclass(frozen=True, slots=True)
class Frame:
    """One delta of a view, decoded; nothing changed from `base` up to the tick `still`, if any."""

    tick: int
    base: int
    committed: int
    ack: int
    refusals: list[tuple[int, int, str]] | None
    dropped: list[Any] | None
    chunks: list[Any]
    still: int | None = None


@dataclass(frozen=True, slots=True)
class Renew:
    """Open a second connection before the deadline."""

    deadline_ms: int

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([RENEW, self.deadline_ms])


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """The client's number, the server's clock, and the room's tick."""

    client_ms: float
    server_ms: float
    tick: int

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([TIME_ANSWER, self.client_ms, self.server_ms, self.tick])


@dataclass(frozen=True, slots=True)
class RoomStatus:
    """The room's epoch, status or speed changed.

    `speed` is the part of its tick rate at which it runs.
    """

    epoch: int
    committed: int
    status: Status
    schema: Any = None
    speed: float = 1.0

    def encode(self) -> bytes:
        """The message's bytes; a room at its full speed does not say so."""
        speed = [] if self.speed == 1.0 else [self.speed]
        return pack([ROOM, self.epoch, self.committed, self.status, self.schema, *speed])


@dataclass(frozen=True, slots=True)
class Digest:
    """The CRC-32 of the view's canonical bytes at a tick."""

    tick: int
    crc: int

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([DIGEST, self.tick, self.crc])


@dataclass(frozen=True, slots=True)
class Close:
    """Why the connection ends, and whether to come back."""

    code: int
    reason: str
    retry_after_ms: int | None = None

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([CLOSE, self.code, self.reason, self.retry_after_ms])


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a FRAME that is too long for one message; `parts.py` puts them together."""

    index: int
    count: int
    data: bytes

    def encode(self) -> bytes:
        """The message's bytes."""
        return pack([PART, self.index, self.count, self.data])


ToServer = Join | Resume | InputMessage | Time | Leave
ToClient = Welcome | Frame | Renew | TimeAnswer | RoomStatus | Digest | Close | Part


def frame_bytes(
    tick: int,
    base: int,
    committed: int,
    ack: int,
    refusals: list[Any] | None,
    dropped: list[Any] | None,
    *parts: Chunks,
) -> bytes:
    """A FRAME's bytes: a small head joined to chunks encoded before."""
    head = pack((FRAME, tick, base, committed, ack, refusals, dropped))
    count = sum(part.count for part in parts)
    # The head was packed as an array of 7; the chunks make it 8.
    return b"".join([b"\x98", head[1:], array_head(count), *(part.data for part in parts)])


def decode_from_server(payload: bytes) -> ToClient | None:
    """One message to a client, None for a type of a later version; ValueError if malformed."""
    message: Any = unpack_stored(payload)
    match message:
        case [17, int(tick), int(base), int(), int(), _, _, list(), *more]:
            if not 0 <= base <= tick:
                raise ValueError(f"a FRAME of tick {tick} from tick {base}")
            return _frame(message, more[0] if more else None)
        case [16, bytes(), str(), int(), int(), int(rate), int(every), _, list(), *_]:
            if rate < 1 or every < 1:
                raise ValueError(f"a WELCOME with {rate} ticks a second, {every} between frames")
            return Welcome(*message[1:9])
        case [21, int(tick), int(crc), *_]:
            return Digest(tick, crc)
        case [19, int() | float(), int() | float(), int(), *_]:
            return TimeAnswer(*message[1:4])
        case [20, int(epoch), int(committed), status, schema, *more]:
            slowed = more and type(more[0]) is float and 0 < more[0] < 1
            return RoomStatus(epoch, committed, Status(status), schema, more[0] if slowed else 1.0)
        case [18, int(deadline_ms), *_]:
            return Renew(deadline_ms)
        case [22, int(), str(), int() | None, *_]:
            return Close(*message[1:4])
        case [23, int(index), int(count), bytes(data), *_] if 0 <= index < count <= PARTS_MAX:
            return Part(index, count, data)
        case [int(number), *_] if number > PART:
            return None
        case _:
            raise ValueError(f"not a message: {short(message)}")


def _frame(message: Any, still: Any) -> Frame:
    tick, base, committed, ack, refusals, dropped, chunks = message[1:8]
    if not (dropped is None or is_list(dropped)):
        raise ValueError("a FRAME's dropped rows are an array or nil")
    if still is not None and not (type(still) is int and base <= still < tick):
        raise ValueError(f"a FRAME of tick {tick} from tick {base}, as it was until {short(still)}")
    told = None if refusals is None else _refusals(refusals)
    return Frame(tick, base, committed, ack, told, dropped, chunks, still)


def _refusals(told: Any) -> list[tuple[int, int, str]]:
    if not is_list(told):
        raise ValueError("a FRAME's refusals are an array or nil")
    found: list[tuple[int, int, str]] = []
    for entry in told:
        match entry:
            case [int(seq), int(part), str(reason), *_]:
                found.append((seq, part, reason))
            case _:
                raise ValueError(f"a refusal is [seq, index, reason], not {short(entry)}")
    return found
