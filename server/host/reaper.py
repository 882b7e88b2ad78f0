"""The reaper: takes up rooms whose owner died unheard, and has the store end what is over.

Once a second it asks the store for the rooms of silent owners, for this process's own rooms that
no handle holds, and for what is due. Rooms that sleep or are over cost it nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from server.host.context import Context
from server.host.directory import Directory
from server.store.base import NoSuchRoom, RoomEntry, Status
from shared.errors import StoreError

REAP_S = 1.0
WHOLE_ROUNDS = 30
"""Every so many rounds the reaper also looks at what only a crash at a bad moment leaves behind:
rooms it left alone before, and stale listings."""
PAGE_ROOMS = 256
TIDY_MAX = 64
"""Of each kind of thing, so many are ended in a round: the ticks of other rooms go by meanwhile."""


class Reaper:
    """`take_up` gets rooms without a living owner; `every_round` is awaited at each round's end.

    `passes_over` says which rooms are here, or are not to come here.
    """

    def __init__(
        self,
        context: Context,
        directory: Directory,
        *,
        take_up: Callable[[list[RoomEntry]], Awaitable[None]],
        passes_over: Callable[[str], bool],
        every_round: Callable[[], Awaitable[None]],
    ) -> None:
        self.asleep = 0
        self._name = context.name
        self._store = context.store
        self._exchange = context.exchange
        self._directory = directory
        self._clock = context.clock
        self._rng = context.rng
        self._log = context.log
        self._take_up = take_up
        self._passes_over = passes_over
        self._every_round = every_round
        self._living: set[str] = set()
        # What was handed to `take_up` since the last whole round: by its epoch, it did not want it.
        self._offered: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Reap until cancelled."""
        number = 0
        while True:
            await self._clock.sleep(REAP_S * self._rng.uniform(0.8, 1.2))
            number += 1
            try:
                await self.once(whole=number % WHOLE_ROUNDS == 0)
            except StoreError as error:
                self._log.warning("the reaper's round was broken off: %s", error)

    async def once(self, *, whole: bool) -> None:
        """One round; a whole one looks at what was left alone before, too."""
        living = {process.name for process in await self._exchange.processes()} - {self._name}
        died, self._living = self._living - living, living
        if whole:
            self._offered.clear()
        await self._adopt(living | {self._name})
        await self._adopt_own()
        if whole or died:
            await self._delist_ended(living | {self._name})
        tidied = await self._store.tidy(TIDY_MAX)
        self.asleep = tidied.asleep
        for room in tidied.closed:
            self._log.info("room %s slept for too long, it is closed", room)
        await self._every_round()

    async def _adopt(self, living: set[str]) -> None:
        """Offer every orphan that was not offered yet."""
        last: RoomEntry | None = None
        while page := await self._store.orphans(living, PAGE_ROOMS, last):
            last = page[-1]
            new = [entry for entry in page if (entry.room, entry.epoch) not in self._offered]
            if new:
                # Only if the store answered: what could not be asked is asked in the next round.
                await self._take_up(new)
                self._offered |= {(entry.room, entry.epoch) for entry in new}

    async def _adopt_own(self) -> None:
        """Offer rooms that a call of this process took whose answer was lost."""
        lost = [room for room in await self._store.owned(self._name) if not self._passes_over(room)]
        entries: list[RoomEntry] = []
        for room in lost:
            with suppress(NoSuchRoom):
                entries.append(await self._store.entry(room))
        await self._take_up([entry for entry in entries if entry.owner == self._name])

    async def _delist_ended(self, living: set[str]) -> None:
        """Take listings out whose owner died between ending the room and saying so."""
        for listing in await self._exchange.listings():
            if listing.owner in living:
                continue
            try:
                entry = await self._store.entry(listing.room)
            except NoSuchRoom:
                entry = None
            if entry is None or entry.status is not Status.LIVE:
                await self._directory.gone(listing.room)
