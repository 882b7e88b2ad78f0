"""One room's way to the store, but for its ticks: read, taken over, released, written down.

A call that may be repeated is repeated here until the store answers; where the caller must know
that there was no answer, `StoreUnavailable` passes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from server.core.journal import encode_checkpoint, restore
from server.core.lobby import RoomMeta
from server.core.versions import check_rules
from server.host.context import Context
from server.store.base import Held, Loaded, Status, StoreUnavailable, Tail, Taken
from shared.errors import StoreError
from shared.game import Game
from shared.limits import HISTORY_TICKS, INTEGER_MAX
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
    """The epochs among a room's records, each with the first of its ticks that is there.

    The epoch of the checkpoint before them may have begun with any tick: what a client holds of an
    earlier one is not built upon.
    """
    starts = [(oldest.epoch, 1) for oldest in loaded.checkpoints[-1:]]
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
        self._newest = 0
        self._due_tick = 0

    def owned_from(self, tick: int, newest: int) -> None:
        """This process owns the room after this tick; `newest` is the store's newest checkpoint's.

        That is 0 where it is not known, or there is none.
        """
        self._noted(newest or tick, newest)

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

    async def stuck_in(self, owner: str) -> str:
        """The room that the owner's watchdog says it is stuck in; "" for none, or none to ask."""
        try:
            return await self._context.exchange.stuck_in(owner) if owner else ""
        except StoreUnavailable:
            return ""

    async def take_over(self, held: Held, before: str = "", stuck: str = "") -> Taken | Tail:
        """Ask for the room in this process's name.

        `before` names the owner as far as known, and `stuck` the room that it was stuck in.

        After `StoreUnavailable` it may be this process's all the same. Then the next answer is a
        `Tail` whose owner is this process: asked with that epoch, the store gives the room again,
        under a newer one, and counts no crash.
        """
        context = self._context
        blameless = context.watch.suspicion.blameless(self._room, before)
        blameless = blameless or stuck not in ("", self._room)
        return await context.store.take_over(self._room, context.name, held, blameless=blameless)

    async def tail(self, tick: int) -> Tail:
        """What came after a tick."""
        return await self._context.store.tail(self._room, tick)

    async def status(self) -> Status:
        """What is to become of the room, once the store can be asked."""
        while True:
            try:
                # Beyond any tick, so that no records come along.
                return (await self.tail(INTEGER_MAX)).status
            except StoreUnavailable as error:
                self._warn("waits for the store", error)
                await self._context.clock.sleep(RELOAD_S)

    async def release(self, epoch: int) -> None:
        """Take this process's name off the room; after `StoreUnavailable` it may be off."""
        await self._context.store.release(self._room, epoch)

    def is_checkpoint_due(self, tick: int) -> bool:
        """Whether a checkpoint belongs to this tick, or to one that went by without it."""
        return tick == 1 or tick >= self._due_tick

    def checkpoint(
        self,
        match: Match,
        epoch: int,
        committed: Callable[[], int],
        gone: Callable[[], bool],
        *,
        last: bool = False,
    ) -> Coroutine[Any, Any, None] | None:
        """Read all rows now, and return what writes them down; None where there is nothing to.

        The store keeps two, and the records after the older one: so the first is that of tick 1,
        and the next ones lie so far apart that a whole history can always be replayed, but for the
        `last` before the room rests. Rows that run ahead of their journal wait until `committed`,
        unless the room is `gone` before.
        """
        tick, newest, apart = match.tick, self._newest, 1 if last else HISTORY_TICKS
        # Rows of other rules are written by the first tick, whole, and not before.
        if tick == 0 or match.origin.stale or (newest and tick - newest < apart):
            return None
        self._noted(tick, newest=tick)
        return self._checkpoint(tick, epoch, encode_checkpoint(match), committed, gone)

    async def _checkpoint(
        self,
        tick: int,
        epoch: int,
        blob: bytes,
        committed: Callable[[], int],
        gone: Callable[[], bool],
    ) -> None:
        while committed() < tick and not gone():
            await self._context.clock.sleep(RELOAD_S)
        if committed() < tick:
            return
        try:
            await self._context.store.checkpoint(self._room, epoch, tick, blob)
        except StoreError as error:
            self._warn(f"checkpoint of tick {tick}", error)
            # Another one is due soon: the journal is not to grow for as long as the store fails.
            self._due_tick = min(self._due_tick, tick + HISTORY_TICKS)

    def _noted(self, tick: int, newest: int) -> None:
        """The next checkpoint is due at the first of this room's ticks that is far enough off."""
        self._newest = newest
        earliest = tick + (HISTORY_TICKS if newest else 1)
        self._due_tick = earliest + (-(earliest + self._offset)) % CHECKPOINT_TICKS

    async def set_status(self, epoch: int, status: Status, reason: str = "") -> None:
        """Say what is to become of the room, and why, as often as it takes.

        Fenced and NoSuchRoom pass: then another process has it, or it is over.
        """
        store = self._context.store
        await self._surely(
            f"is to be {status}", lambda: store.set_status(self._room, epoch, status, reason)
        )

    async def release_surely(self, epoch: int) -> None:
        """Take this process's name off the room, as often as it takes."""
        await self._surely("is to be let go", lambda: self.release(epoch))

    async def _surely(self, what: str, call: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                self._warn(what, error)
                await self._context.clock.sleep(RELOAD_S)

    def _warn(self, what: str, error: StoreError) -> None:
        self._context.log.warning("room %s: %s: %s", self._room, what, error)
