"""The page of memory that a supervisor shares with its workers, so that each sees who is stuck.

    slot per worker:  beats of its loop | traced | slow | its name | what it works for: room, hook,
                      game
    convictions:      rooms a worker was ended for, until they are quarantined or their game saved

A worker writes its own slot; the supervisor writes convictions, and a worker only that one is
settled. Nothing is locked: a slot is judged when it has stood still for long, and what is read
half written names no room, so it convicts none. The page is anonymous: it ends with its processes.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

SLOTS: Final = 65
"""As many as there may be workers, and the one that is kept for slow rooms."""
CONVICTIONS: Final = 32
"""A ring: the oldest is forgotten for the thirty-third, were it not settled by then."""
GAME_HANGS_MAX: Final = 3
"""A game that hung so often within the window hangs in whatever room it is run."""
GAME_WINDOW_S: Final = 600.0

_BEATS: Final = struct.Struct("<Q")
_TRACED, _SLOW, _NAME, _MARK, _SLOT_BYTES = 8, 9, 10, 128, 256
_NAME_BYTES = _MARK - _NAME
# An id has at most 32 characters, names of hooks and games fewer; it is written with one copy.
_MARK_BYTES = 128
_CELL_BYTES = 1024
_PAGE_BYTES = SLOTS * _SLOT_BYTES + CONVICTIONS * _CELL_BYTES
_SETTLED: Final = 2
# Texts of marks are kept, as making one costs more than copying it; ended rooms leave theirs.
_TEXTS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Mark:
    """What a worker works for."""

    room: str
    hook: str
    game: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A worker as its slot has it: `traced` while it is debugged, `mark` None for no room.

    `slow` says that a room of it needs more time than it has beside others.
    """

    beats: int
    traced: bool
    slow: bool
    name: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Conviction:
    """A room that a worker was ended for.

    `place` is the line of the game's files it was stuck in ("" where none is known), `owner` the
    name of the worker's process, `worker` its number, `since_s` the time of the wall's clock from
    which nothing was heard of it, and `silent_s` for how long.
    """

    room: str
    game: str
    hook: str
    place: str
    owner: str
    worker: int
    since_s: float
    silent_s: float

    @property
    def reason(self) -> str:
        """What is kept with the room, and told to the game's author."""
        where = f" ({self.place})" if self.place else ""
        return f"{self.game}: {self.hook} did not return for {self.silent_s:.1f} s{where}"


class WatchPage:
    """The page, made by a supervisor (`make`) or inherited by its worker (`adopt`)."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, _PAGE_BYTES)

    @classmethod
    def make(cls) -> WatchPage:
        """A page of zeros."""
        fd = anonymous_file("holdfast-watch")
        os.ftruncate(fd, _PAGE_BYTES)
        return cls(fd)

    def close(self) -> None:
        """Let go of the page; processes that inherited it keep theirs."""
        self._memory.close()
        os.close(self.fd)

    def clear(self, number: int) -> None:
        """Empty the slot of worker `number`, before its next process starts."""
        at = _slot(number)
        self._memory[at : at + _SLOT_BYTES] = bytes(_SLOT_BYTES)

    def slot(self, number: int) -> Slot:
        """The slot of worker `number`."""
        at = _slot(number)
        whole = self._memory[at : at + _SLOT_BYTES]
        mark = _read_mark(whole[_MARK : _MARK + _MARK_BYTES])
        name = whole[_NAME:_MARK].rstrip(b"\0").decode("utf-8", "replace")
        (beats,) = _BEATS.unpack_from(whole)
        return Slot(beats, whole[_TRACED] != 0, whole[_SLOW] != 0, name, mark)

    def writer(self, number: int, name: str) -> SlotWriter:
        """What worker `number`, whose process has this name, writes its slot with."""
        return SlotWriter(self._memory, _slot(number), name)

    def convict(self, conviction: Conviction) -> None:
        """Add a conviction that is not settled."""
        cells = self._cells()
        number = max(cells, default=-1) + 1
        at = _cell(number)
        text = json.dumps({"number": number, **asdict(conviction)}).encode()
        assert len(text) <= _CELL_BYTES - 3, conviction
        self._memory[at : at + 3 + len(text)] = b"\1" + len(text).to_bytes(2, "little") + text

    def convictions(self) -> list[Conviction]:
        """Those that are not settled, the oldest first."""
        return [one for settled, one in self._all() if not settled]

    def known(self) -> list[Conviction]:
        """Those that are remembered, settled or not, the oldest first."""
        return [one for _, one in self._all()]

    def pardon(self) -> None:
        """Forget every conviction: the games are others now."""
        at = _cell(0)
        self._memory[at:] = bytes(_PAGE_BYTES - at)

    def settle(self, conviction: Conviction) -> None:
        """Its room is quarantined."""
        for number, (_, one) in self._cells().items():
            if one == conviction:
                self._memory[_cell(number)] = _SETTLED

    def _all(self) -> list[tuple[bool, Conviction]]:
        return [entry for _, entry in sorted(self._cells().items())]

    def _cells(self) -> dict[int, tuple[bool, Conviction]]:
        found: dict[int, tuple[bool, Conviction]] = {}
        for index in range(CONVICTIONS):
            at = _cell(index)
            state = self._memory[at]
            if not state:
                continue
            length = int.from_bytes(self._memory[at + 1 : at + 3], "little")
            try:
                values = json.loads(self._memory[at + 3 : at + 3 + length])
            except ValueError:
                # Half written; whoever asks again has it whole.
                continue
            number = values.pop("number")
            found[number] = (state == _SETTLED, Conviction(**values))
        return found


class SlotWriter:
    """A worker's own slot, which it writes: the `Marker` of its host, and the beat of its loop."""

    def __init__(self, memory: mmap.mmap, at: int, name: str) -> None:
        self._memory = memory
        self._beats = at
        self._traced = at + _TRACED
        self._slow = at + _SLOW
        self._left = at + _MARK
        self._mark = slice(at + _MARK, at + _MARK + _MARK_BYTES)
        self._texts: dict[tuple[str, str, str], bytes] = {}
        text = name.encode()[:_NAME_BYTES]
        memory[at + _NAME : at + _NAME + len(text)] = text

    def beat(self, *, traced: bool, slow: bool = False) -> None:
        """The loop turns."""
        (beats,) = _BEATS.unpack_from(self._memory, self._beats)
        self._memory[self._traced] = int(traced)
        self._memory[self._slow] = int(slow)
        _BEATS.pack_into(self._memory, self._beats, beats + 1)

    def enter(self, room: str, game: str, hook: str) -> None:
        """From now on this process works for this room; see `server.core.ports.Marker`."""
        named = (room, hook, game)
        self._memory[self._mark] = self._texts.get(named) or self._text(named)

    def leave(self) -> None:
        """It works for no room in particular."""
        self._memory[self._left] = 0

    def _text(self, named: tuple[str, str, str]) -> bytes:
        if len(self._texts) >= _TEXTS_MAX:
            self._texts.clear()
        text = "\n".join(named).encode()[: _MARK_BYTES - 1]
        made = (bytes([len(text)]) + text).ljust(_MARK_BYTES, b"\0")
        self._texts[named] = made
        return made


class PageSuspicion:
    """The `Suspicion` of one worker: what the slots beside its own and the convictions say.

    `wall` is in seconds since 1970.
    """

    def __init__(
        self, page: WatchPage, number: int, slots: int, wall: Callable[[], float] = time.time
    ) -> None:
        self._page = page
        self._wall = wall
        self._others = [one for one in range(1, slots + 1) if one != number]

    def suspects(self, room: str) -> bool:
        """Whether a worker beside this one works for this room, or was ended for it.

        Asked when the room's owner is silent, so a worker that is in it has been in it for long.
        """
        if any(self._in(number, room) for number in self._others):
            return True
        return any(one.room == room for one in self._page.convictions())

    def blameless(self, room: str, owner: str) -> bool:
        """Whether the owner is stuck in another room, or was ended for one."""
        for number in self._others:
            slot = self._page.slot(number)
            if slot.name == owner and slot.mark is not None:
                return slot.mark.room != room
        return any(one.owner == owner and one.room != room for one in self._page.known())

    def refuses(self, game: str) -> bool:
        """Whether a room of the game is convicted and not put aside, or several were of late."""
        if any(one.game == game for one in self._page.convictions()):
            return True
        since_s = self._wall() - GAME_WINDOW_S
        late = [one for one in self._page.known() if one.game == game and one.since_s > since_s]
        return len(late) >= GAME_HANGS_MAX

    def _in(self, number: int, room: str) -> bool:
        mark = self._page.slot(number).mark
        return mark is not None and mark.room == room


def anonymous_file(name: str) -> int:
    """A descriptor of a file that has no name and ends with its last descriptor."""
    make: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    if make is not None:
        return make(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _slot(number: int) -> int:
    assert 1 <= number <= SLOTS, number
    return (number - 1) * _SLOT_BYTES


def _cell(number: int) -> int:
    return SLOTS * _SLOT_BYTES + (number % CONVICTIONS) * _CELL_BYTES


def _read_mark(text: bytes) -> Mark | None:
    length = text[0]
    parts = text[1 : 1 + length].decode("utf-8", "replace").split("\n")
    return Mark(*parts) if len(parts) == 3 else None
