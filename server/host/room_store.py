"""One owned room's way to the store, but for its ticks: read back, written down, given a status."""

from __future__ import annotations

import logging
from collections.abc import Callable

from server.core.journal import encode_checkpoint, restore
from server.core.lobby import RoomMeta
from server.core.ports import Clock
from server.core.versions import check_rules
from server.store.base import Loaded, Status, Store, StoreUnavailable
from shared.errors import StoreError
from shared.game import Game
from shared.limits import HISTORY_TICKS
from shared.match import Match

CHECKPOINT_TICKS = 256
# A store that was away while a room had to be read is asked again after this.
RELOAD_S = 0.25


def restored(game: Game, meta: RoomMeta, loaded: Loaded, *, development: bool = False) -> Match:
    """The match a store holds; JournalDamaged (a StoreError) where it cannot be read.

    LeftAlone for one whose rules are not this process's to run.
    """
    match = restore(
        game,
        meta.options_of(game),
        meta.seed,
        [checkpoint.blob for checkpoint in loaded.checkpoints],
        [record.record for record in loaded.records],
    )
    check_rules(match, meta.rules, development=development)
    return match


def first_ticks(loaded: Loaded) -> list[tuple[int, int]]:
    """The epochs among a room's records, each with the first of its ticks that is there."""
    starts: list[tuple[int, int]] = []
    for record in loaded.records:
        if not starts or record.epoch > starts[-1][0]:
            starts.append((record.epoch, record.tick))
    return starts


class RoomStore:
    """What a room's owner asks of the store; `checkpointed` is the newest checkpoint's tick."""

    def __init__(
        self,
        room: str,
        epoch: int,
        store: Store,
        clock: Clock,
        log: logging.Logger,
        checkpointed: int,
    ) -> None:
        self._room = room
        self._epoch = epoch
        self._store = store
        self._clock = clock
        self._log = log
        self._checkpointed = checkpointed
        # Rooms take their checkpoints at different ticks, so that no tick pays for all of them.
        self._phase = sum(room.encode()) % CHECKPOINT_TICKS

    def is_due(self, tick: int) -> bool:
        """Whether a checkpoint belongs to this tick."""
        return tick == 1 or (tick + self._phase) % CHECKPOINT_TICKS == 0

    async def checkpoint(
        self, match: Match, committed: Callable[[], int], done: Callable[[], bool]
    ) -> None:
        """Write down all rows; they are read before anything is awaited.

        The store keeps two, and the records after the older one: so the first is that of tick 1,
        and the next ones lie so far apart that a whole history can always be replayed. Rows that
        run ahead of their journal wait for it.
        """
        tick, newest = match.tick, self._checkpointed
        # Rows of other rules are written by the first tick, whole, and not before.
        if tick == 0 or match.origin.stale or (newest and tick - newest < HISTORY_TICKS):
            return
        self._checkpointed = tick
        blob = encode_checkpoint(match)
        while committed() < tick and not done():
            await self._clock.sleep(RELOAD_S)
        if committed() < tick:
            return
        try:
            await self._store.checkpoint(self._room, self._epoch, tick, blob)
        except StoreError as error:
            self._log.warning("room %s: checkpoint of tick %d: %s", self._room, tick, error)

    async def load(self) -> Loaded:
        """What the store has of this room, once it can be asked."""
        while True:
            try:
                return await self._store.load(self._room)
            except StoreUnavailable as error:
                self._log.warning("room %s waits for the store: %s", self._room, error)
                await self._clock.sleep(RELOAD_S)

    async def set_status(self, status: Status) -> None:
        """Say what is to become of the room; one that sleeps has no owner."""
        try:
            await self._store.set_status(self._room, self._epoch, status)
            if status is Status.ASLEEP:
                await self._store.release(self._room, self._epoch)
        except StoreError as error:
            self._log.warning("room %s: %s", self._room, error)
