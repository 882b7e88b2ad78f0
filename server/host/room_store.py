"""One room's way to the store, but for its ticks: read, taken over, released, written down.

A call that may be repeated is repeated here until the store answers; where the caller must know
that there was no answer, `StoreUnavailable` passes.
"""

from __future__ import annotations

from collections.abc import Callable

from server.core.journal import encode_checkpoint, restore
from server.core.lobby import RoomMeta
from server.core.versions import check_rules
from server.host.context import Context
from server.store.base import Held, Loaded, Status, StoreUnavailable, Tail, Taken
from shared.errors import StoreError
from shared.game import Game
from shared.limits import HISTORY_TICKS
from shared.match import Match

CHECKPOINT_TICKS = 256
# A store that was away while a room had to be read or written is asked again after this.
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
    """What one room's owner or follower asks of the store."""

    def __init__(self, room: str, meta: RoomMeta, game: Game, context: Context) -> None:
        self._room = room
        self._meta = meta
        self._game = game
        self._context = context
        # Rooms take their checkpoints at different ticks, so that no tick pays for all of them.
        self._offset = sum(room.encode()) % CHECKPOINT_TICKS
        self._checkpointed = 0

    def checkpointed(self, tick: int) -> None:
        """The store's newest checkpoint is of this tick (0: there is none)."""
        self._checkpointed = tick

    async def load(self) -> Loaded:
        """What the store has of this room."""
        return await self._context.store.load(self._room)

    async def load_again(self) -> Loaded:
        """The same, once the store can be asked."""
        while True:
            try:
                return await self.load()
            except StoreUnavailable as error:
                self._warn("waits for the store", error)
                await self._context.clock.sleep(RELOAD_S)

    def restored(self, loaded: Loaded, *, development: bool = False) -> Match:
        """The match that was loaded; see `restored`."""
        self._context.watch.marker.enter(self._room, self._meta.game, "restore")
        try:
            return restored(self._game, self._meta, loaded, development=development)
        finally:
            self._context.watch.marker.leave()

    async def take_over(self, held: Held, before: str = "") -> Taken | Tail:
        """Ask for the room in this process's name; `before` names the owner as far as known.

        After `StoreUnavailable` it may be this process's all the same. Then the next answer is a
        `Tail` whose owner is this process: asked with that epoch, the store gives the room again,
        under a newer one, and counts no crash.
        """
        context = self._context
        blameless = context.watch.suspicion.blameless(self._room, before)
        return await context.store.take_over(self._room, context.name, held, blameless=blameless)

    async def tail(self, tick: int) -> Tail:
        """What came after a tick."""
        return await self._context.store.tail(self._room, tick)

    async def release(self, epoch: int) -> None:
        """Take this process's name off the room; after `StoreUnavailable` it may be off."""
        await self._context.store.release(self._room, epoch)

    def is_checkpoint_due(self, tick: int) -> bool:
        """Whether a checkpoint belongs to this tick."""
        return tick == 1 or (tick + self._offset) % CHECKPOINT_TICKS == 0

    async def checkpoint(
        self, match: Match, epoch: int, committed: Callable[[], int], gone: Callable[[], bool]
    ) -> None:
        """Write down all rows; they are read before anything is awaited.

        The store keeps two, and the records after the older one: so the first is that of tick 1,
        and the next ones lie so far apart that a whole history can always be replayed. Rows that
        run ahead of their journal wait until `committed`, unless the room is `gone` before.
        """
        tick, newest = match.tick, self._checkpointed
        # Rows of other rules are written by the first tick, whole, and not before.
        if tick == 0 or match.origin.stale or (newest and tick - newest < HISTORY_TICKS):
            return
        self._checkpointed = tick
        blob = encode_checkpoint(match)
        while committed() < tick and not gone():
            await self._context.clock.sleep(RELOAD_S)
        if committed() < tick:
            return
        try:
            await self._context.store.checkpoint(self._room, epoch, tick, blob)
        except StoreError as error:
            self._warn(f"checkpoint of tick {tick}", error)

    async def set_status(self, epoch: int, status: Status) -> None:
        """Say what is to become of the room, as often as it takes; one that sleeps has no owner.

        Fenced and NoSuchRoom pass: then somebody else has it, or it is over.
        """
        while True:
            try:
                await self._context.store.set_status(self._room, epoch, status)
                if status is Status.ASLEEP:
                    await self.release(epoch)
            except StoreUnavailable as error:
                self._warn(f"is to be {status}", error)
                await self._context.clock.sleep(RELOAD_S)
            else:
                return

    def _warn(self, what: str, error: StoreError) -> None:
        self._context.log.warning("room %s: %s: %s", self._room, what, error)
