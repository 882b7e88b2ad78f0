"""The exchange's contract: what crosses from one process to another, in prose and in types.

Processes never speak to each other directly, since behind most balancers they cannot; all that
crosses goes through whatever the store is in. The exchange carries it, and keeps nothing that a
match depends on: a store decides, an exchange tells.

**News** of a room (a record, a new epoch, a release, an end) are told by the room's owner once the
store has answered, and heard by everybody who follows the room, in the order they were told by one
teller. Some may be lost: where that can be known the follower hears a `Gap`, elsewhere the next
record does not fit, and in both cases the follower reads the journal. A teller hears its own news
where it follows the room too.

**Letters** are posted to a name, a room's or a process's, and heard by everybody who listens to
it: at most once, in order from one poster, maybe not at all. The ends repeat what was not answered.

**The directory** knows which processes live and which rooms run; one that sleeps is not in it. A
process that does not `beat` for `PROCESS_TTL_S` is gone from the list. An owner announces its rooms
whenever they change; a listing stays until it is announced otherwise, or the room ends. `find_seat`
seats players who ask for any room of one kind: it answers with the fullest open room with a seat
that is neither taken nor promised, and promises it to the nonce for `PROMISE_S`. The same nonce is
sent to the same room for `NONCE_S`, whichever process asks for it, unless that room refused it. If
there is no such room, one asker is told to make it and the others to wait, until a room of the kind
is new in the directory or has a seat. For a room of its own (`key` is "") a nonce is sent to the
room announced as made for it; of the processes that ask for the same nonce one is told to make it.

**A process that is stuck** in a room's game says nothing itself: its watchdog marks it for a while,
so that who follows its rooms takes over the others and leaves that one alone.

All methods but `tell` and `post` may raise `StoreUnavailable`. `tell` and `post` never wait and
never raise: what cannot be sent is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from server.store.base import Record

PROCESS_TTL_S = 3.0
"""Four missed beats: rooms that nobody follows wait this long for their next owner."""
BEAT_S = 0.75
PROMISE_S = 15.0
"""How long a seat is kept for somebody on the way to it."""
NONCE_S = 60.0
"""How long a JOIN is repeated by its client before it is given up."""
MAKING_S = 3.0
"""How long one process may take to make a room that others wait for."""


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """A room has a new owner, who goes on after `tick`."""

    epoch: int
    tick: int
    owner: str


@dataclass(frozen=True, slots=True)
class Released:
    """The owner lets go after `tick`; the next tick is due in `due_ms` milliseconds.

    `to` is the process that is to take the room; "" is whoever is first.
    """

    epoch: int
    tick: int
    due_ms: int
    to: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The room is over: a close code for those who are in it, and why."""

    epoch: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Slept:
    """The owner let a room that nobody is in sleep after `tick`: the next player wakes it."""

    epoch: int
    tick: int


@dataclass(frozen=True, slots=True)
class Paced:
    """The owner steps the room at this part of its tick rate, in thousandths; 1000 is all of it."""

    epoch: int
    permille: int


@dataclass(frozen=True, slots=True)
class Gap:
    """News may have been lost: read the journal."""


News = Record | NewEpoch | Released | Ended | Slept | Paced


@dataclass(frozen=True, slots=True)
class Process:
    """A living process: how many rooms it owns, whether it takes more, the games it serves.

    One that is `slow` is kept for rooms whose ticks take too long beside others.
    """

    name: str
    rooms: int
    open: bool
    games: tuple[str, ...]
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A room in the directory.

    `key` names the kind of room a player may ask for ("" for a room found by its id alone), `free`
    counts the seats not taken, `about` is for the hosts. `seated` are nonces that have their seat
    or were refused one: their promises are over. `made_for` are nonces the room was made for: each
    is promised a seat and sent here.
    """

    room: str
    key: str
    free: int
    owner: str
    about: bytes
    seated: tuple[bytes, ...] = ()
    made_for: tuple[bytes, ...] = ()


class NoSeat(Enum):
    """What `find_seat` says when there is no seat."""

    MAKE = "make a room and announce it; others wait for it"
    WAIT = "somebody makes a room; ask again in a moment"


class Subscription(Protocol):
    """What is heard until it is cancelled."""

    def cancel(self) -> None:
        """Hear no more; doing so twice does nothing."""


class Exchange(Protocol):
    """What every backend offers; the module's docstring says what it promises."""

    async def open(self) -> None:
        """Make it ready."""
        ...

    async def close(self) -> None:
        """Let go of everything; subscriptions end."""
        ...

    def tell(self, news: Sequence[tuple[str, News]]) -> None:
        """Tell news of rooms to those who follow them."""
        ...

    async def follow(self, room: str, hear: Callable[[News | Gap], None]) -> Subscription:
        """Hear every news of a room told after this returned; `hear` is called from the loop."""
        ...

    def post(self, name: str, letter: bytes) -> None:
        """Send a letter to a room or a process."""
        ...

    async def listen(self, name: str, hear: Callable[[bytes], None]) -> Subscription:
        """Hear the letters to this name that are posted after this returned."""
        ...

    async def beat(self, process: Process) -> None:
        """Be in the list of processes for the next `PROCESS_TTL_S`."""
        ...

    async def depart(self, name: str) -> None:
        """Leave the list of processes."""
        ...

    async def processes(self) -> list[Process]:
        """Return the living processes, by name."""
        ...

    async def mark_stuck(self, owner: str, room: str, seconds: float) -> None:
        """Say for so long that a process is stuck in a room's game; "" for no more."""
        ...

    async def stuck_in(self, owner: str) -> str:
        """Return the room that a process is said to be stuck in; "" for none."""
        ...

    async def announce(self, listings: Sequence[Listing]) -> None:
        """Put rooms into the directory, or say what changed of them."""
        ...

    async def delist(self, room: str) -> None:
        """Take a room out of the directory."""
        ...

    async def listings(self, key: str | None = None) -> list[Listing]:
        """Return every room in the directory, by id, without `seated` and `made_for`.

        With a `key`, the rooms of that kind alone, which are found without reading the others.
        """
        ...

    async def find_seat(
        self, key: str, nonce: bytes, process: str = "", excluding: Sequence[str] = ()
    ) -> str | NoSeat:
        """The room where this nonce finds a seat, or that there is none.

        `process` is the one that asks, and makes the room if told to; `excluding` are rooms that
        refused the nonce: nothing there is promised to it any more. To no nonce (b""), as for a
        spectator, nothing is promised.
        """
        ...
