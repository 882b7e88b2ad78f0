"""What a process remembers of the journals it appends to, so that it need not ask before each tick.

The last tick of a room is *sure* on the connection by which a script or the last XADD answered for
it, and on no other: the next Redis, at the address or in a cluster, may have lost the end of its
journals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from server.store.base import Append, Record
from server.store.redis_address import Address
from server.store.redis_connection import Connection

RECORDS_KEPT = 64
"""Records of a room kept to bring its journal up: 3 s at 20 Hz; `everysec` loses up to 2 s."""


class Known:
    """A room: its epoch, the last tick of its journal (0: none), and its last records."""

    __slots__ = ("epoch", "journal", "open", "owner", "recent", "sure_on", "tick")

    def __init__(self, journal: bytes, epoch: int, tick: int, owner: str) -> None:
        self.journal = journal
        self.epoch = epoch
        self.tick = tick
        self.owner = owner
        # None where nothing is sure.
        self.sure_on: Connection | None = None
        # Whether a plain XADD of it waits for its answer.
        self.open = False
        self.recent: deque[Append | Record] = deque(maxlen=RECORDS_KEPT)

    def admits(self, entry: Append, connection: Connection) -> bool:
        """Whether an XADD alone does the right thing with this entry, on this connection."""
        return (
            self.sure_on is connection
            and not self.open
            and entry.epoch == self.epoch
            and (entry.tick == self.tick + 1 or not self.tick)
            and entry.result is None
        )

    def committed(self, entry: Append) -> None:
        """The journal ends with this entry."""
        self.tick = entry.tick
        self.recent.append(entry)


class KnownRooms:
    """The rooms this process appends to."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._rooms: dict[str, Known] = {}

    def get(self, room: str) -> Known | None:
        """What is remembered of a room."""
        return self._rooms.get(room)

    def of(self, entry: Append) -> Known | None:
        """What is remembered of the entry's room under the entry's epoch."""
        known = self._rooms.get(entry.room)
        return known if known is not None and known.epoch == entry.epoch else None

    def acquired(
        self, room: str, epoch: int, tick: int, owner: str, recent: Sequence[Record] = ()
    ) -> Known:
        """A room has this epoch since its journal ended at `tick`, with the records `recent`."""
        known = self._rooms.get(room)
        # Of two acquires at once, the answers may come in the wrong order.
        if known is None or known.epoch < epoch:
            journal = self._address.room_key(room, "journal")
            known = self._rooms[room] = Known(journal, epoch, tick, owner)
            known.recent.extend(recent)
        return known

    def ends(self, entry: Append, last: int, connection: Connection) -> None:
        """A script committed this entry, or found it; the journal ends at `last`."""
        known = self.of(entry)
        if known is None:
            known = self.acquired(entry.room, entry.epoch, last, owner="")
        if known.epoch != entry.epoch:
            return
        if entry.tick == last and not (known.recent and known.recent[-1].tick >= last):
            known.recent.append(entry)
        known.tick = last
        known.sure_on = connection

    def forget(self, room: str) -> None:
        """The room is somebody else's, or gone."""
        self._rooms.pop(room, None)

    def forget_all(self) -> None:
        """Nothing is remembered any more."""
        self._rooms.clear()
