"""The seams between the parts of a process: what edge and host ask of each other, and of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.errors import CloseCode
from shared.game import Game
from shared.match import Commit, Match
from shared.messages import Join, Status

from .inbox import Item
from .lobby import RoomMeta
from .seating import JoinRefusal, SeatRequest, SeatSearch


class Clock(Protocol):
    """Time, as every component gets it."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        ...

    def wall_s(self) -> float:
        """Seconds since 1970."""
        ...

    def stopwatch_s(self) -> float:
        """Seconds of the finest clock, to measure durations with and nothing else."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class Chance(Protocol):
    """Randomness nobody may guess, as every component gets it (tests seed it)."""

    def __call__(self, length: int, /) -> bytes:
        """That many random bytes."""
        ...


class Marker(Protocol):
    """Notes which room this process works for, so that a process that falls silent shows whose.

    Whoever is about to run a game's code (hooks, `visible`, brains, a match made or read back)
    enters the room, and leaves it before anything is awaited. Entering does not nest: to enter
    replaces what was entered, and to leave clears it. Called for each room and tick, so it costs
    well under a microsecond.
    """

    def enter(self, room: str, game: str, hook: str) -> None:
        """From now on this process works for this room of a game, as its settings name it.

        `hook` says at what, as in `step`.
        """

    def leave(self) -> None:
        """It works for no room in particular."""


class Unmarked:
    """A `Marker` where nobody watches: simulations, tests, and a watchdog that is turned off."""

    def enter(self, room: str, game: str, hook: str) -> None:
        """Note nothing."""

    def leave(self) -> None:
        """Note nothing."""


class Suspicion(Protocol):
    """What this machine's watchdog knows of the processes beside this one."""

    def suspects(self, room: str) -> bool:
        """Whether a process is stuck in this room, or was ended for it a moment ago.

        Nobody takes such a room over or up: it would be stuck in it as well.
        """
        ...

    def blameless(self, room: str, owner: str) -> bool:
        """Whether this room's owner fell silent for another room's sake: no crash of this room."""
        ...

    def refuses(self, game: str) -> bool:
        """Whether rooms of this game hang one after the other: none is made or taken up now."""
        ...


class Unsuspecting:
    """A `Suspicion` where nobody watches."""

    def suspects(self, room: str) -> bool:
        """Suspect no room."""
        del room
        return False

    def blameless(self, room: str, owner: str) -> bool:
        """Say nothing in a room's favour."""
        del room, owner
        return False

    def refuses(self, game: str) -> bool:
        """Refuse no game."""
        del game
        return False


@dataclass(frozen=True, slots=True)
class Watch:
    """A process's ends of the watchdog: what it notes, and what it is told."""

    marker: Marker = field(default_factory=Unmarked)
    suspicion: Suspicion = field(default_factory=Unsuspecting)


class Publication(NamedTuple):
    """A tick to be seen from now on, and whose joins it settled.

    It is committed, unless the room may run ahead of its journal: `committed` (None: this tick) is
    the last that is.
    """

    commit: Commit
    seated: dict[bytes, int]
    refused: dict[bytes, JoinRefusal]
    left: tuple[int, ...]
    committed: int | None = None

    @property
    def committed_tick(self) -> int:
        """The last tick that is in the journal."""
        return self.commit.tick if self.committed is None else self.committed


class Follower(Protocol):
    """An edge's part in one room."""

    def published(self, publication: Publication) -> None:
        """A tick was committed; the match holds exactly its rows until this returns."""

    def changed(self, status: Status) -> None:
        """The room's status or epoch changed."""

    def ended(self, code: CloseCode, reason: str) -> None:
        """The room is over; nothing more comes."""


@dataclass(frozen=True, slots=True)
class Census:
    """A committed room in numbers; `players` counts the seats of people, `bots` of brains.

    `load` is what its ticks cost here, as a share of the time between them.
    """

    tick: int = 0
    players: int = 0
    bots: int = 0
    spectators: int = 0
    finished: bool = False
    tick_s: float = 0.0
    load: float = 0.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A room in the directory: who runs it, and how it was a moment ago."""

    room: str
    owner: str
    meta: RoomMeta
    epoch: int
    status: str
    free_seats: int
    census: Census


class Outcome(Protocol):
    """What one match of a room came to."""

    @property
    def match(self) -> int:
        """Its number in the room, from 1."""
        ...

    @property
    def tick(self) -> int:
        """The tick it ended at; 0 where that is not known any more."""
        ...

    @property
    def result(self) -> bytes:
        """What it finished with, as JSON."""
        ...


class RoomPort(Protocol):
    """A room as an edge sees it."""

    @property
    def id(self) -> str: ...
    @property
    def meta(self) -> RoomMeta: ...
    @property
    def game(self) -> Game: ...
    @property
    def match(self) -> Match: ...
    @property
    def epoch(self) -> int: ...
    @property
    def status(self) -> Status: ...
    @property
    def speed(self) -> float:
        """The part of its tick rate at which it is stepped; less than 1 while it is too dear."""
        ...

    @property
    def free_seats(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    @property
    def census(self) -> Census: ...
    @property
    def settled(self) -> bool:
        """Whether the match holds committed rows only."""
        ...

    @property
    def fault(self) -> str:
        """Why it stands still here, in development; "" while it does not."""
        ...

    def follow(self, follower: Follower) -> None:
        """Tell this follower of every tick from now on."""

    def unfollow(self, follower: Follower) -> None:
        """Stop telling it."""

    def join(self, request: SeatRequest) -> None:
        """Ask for a seat, maybe the one the nonce has already; a publication answers."""

    def leave(self, player: int) -> None:
        """Give a seat up at the next tick."""

    def submit(self, player: int, items: Sequence[Item]) -> None:
        """Queue what a player asks for."""

    def resume(self, player: int, connection: int, first_seq: int) -> None:
        """A session goes on on this connection (0: it stays), with no input before this seq."""

    def present(self, players: set[int], spectators: int) -> None:
        """Whose connections are open here."""

    @property
    def development(self) -> bool:
        """Whether a room whose game fails stands still for its author."""
        ...

    def fail(self, reason: str, place: str = "") -> None:
        """End the room: a hook the edge calls raised, at this place in the game's files."""

    def diverged(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch holds what was never committed."""
        ...

    def behind(self, epoch: int, held: int) -> bool:
        """Whether somebody who holds this tick of this epoch knows more than this process does."""
        ...


class Host(Protocol):
    """The rooms of this process, as an edge sees them."""

    @property
    def games(self) -> dict[str, Game]:
        """The games served here, by name."""
        ...

    async def place(self, join: Join, search: SeatSearch | None = None) -> RoomPort:
        """The room a JOIN leads to, made if need be; RemoteError says why not.

        `search` says which rooms refused the JOIN before, and is told which is made for it.
        """
        ...

    async def reach(self, room: str) -> RoomPort | None:
        """A room, wherever it is run, followed from here; None when there is no such room.

        RemoteError where it cannot be told, or not be served here.
        """
        ...

    def rooms(self) -> Sequence[RoomPort]:
        """The rooms that are run or followed here."""
        ...

    async def listed(self) -> Mapping[str, Listed]:
        """Every running room of every process, by id, as its owner last described it.

        The answer stands for a moment: as long as nothing is new it is the same object.
        """
        ...

    async def find(self, room: str) -> Listed | None:
        """One room, running or asleep (`owner` is ""), without waking it."""
        ...

    async def result(self, room: str) -> bytes | None:
        """What a room's last match finished with, as JSON."""
        ...

    async def results(self, room: str) -> Sequence[Outcome]:
        """What a room's matches finished with, in their order."""
        ...
