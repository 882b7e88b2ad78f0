"""What happened in one room: its journal as it grew, and what each player saw of the match.

A journal is observed from the outside while it is written, since checkpoints drop its beginning:
every write that was ever seen is kept, also one that another took the place of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from server.core.journal import restore
from server.core.lobby import RoomMeta
from server.store.base import Checkpoint, Record
from shared.game import Game
from shared.match import Match


class Seen(NamedTuple):
    """One frame at one client.

    `crc` is the digest of the whole view after it, None where that was not computed; `epoch` the
    newest the server had told by then; `at_s` when it came, in seconds of the client's clock.
    """

    tick: int
    committed: int
    ack: int
    epoch: int
    crc: int | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What a client knows of its items, once no more are made.

    `waiting` are not acknowledged; `applied` and `skipped` are inputs, as far as it was told;
    `bare` are items that carried no input.
    """

    last_seq: int
    waiting: int
    applied: int
    skipped: int
    bare: int


@dataclass(slots=True)
class Witness:
    """What one session saw of one room. `seats` holds room and player of each WELCOME, in order.

    `counts` is None where the session did not end in good order, and is not judged then. `end`
    says why the server ended it, "" where it did not.
    """

    name: str
    seats: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    frames: list[Seen] = field(default_factory=list[Seen])
    counts: Counts | None = None
    end: str = ""

    @property
    def room(self) -> str:
        """The room of the first WELCOME, empty before."""
        return self.seats[0][0] if self.seats else ""

    @property
    def player(self) -> int:
        """The player of the first WELCOME; 0 before, and for a spectator."""
        return self.seats[0][1] if self.seats else 0


@dataclass(frozen=True, slots=True)
class Recovered:
    """The rows somebody else has of the room: their tick, and `bench.checker.rows_digest`."""

    who: str
    tick: int
    digest: int


@dataclass(slots=True)
class RoomHistory:
    """One room's past. `start` is the checkpoint its journal was first seen with, None for none.

    `writes` holds every record in the order it was seen: one a tick, if all is well.
    """

    room: str
    game: Game
    meta: RoomMeta
    start: Checkpoint | None = None
    writes: list[Record] = field(default_factory=list[Record])
    witnesses: list[Witness] = field(default_factory=list[Witness])
    recovered: list[Recovered] = field(default_factory=list[Recovered])

    def begin(self) -> Match:
        """The match as it was before the first write."""
        options = self.game.options.from_wire(list(self.meta.options))
        checkpoints = [self.start.blob] if self.start is not None else []
        return restore(self.game, options, self.meta.seed, checkpoints, [])
