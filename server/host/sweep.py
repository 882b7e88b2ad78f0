"""The sweep: what no follower notices. Rooms whose owner died unheard, sleepers, idle copies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from server.host.context import Context
from server.host.directory import ASLEEP, Directory, read_listing, told_at
from server.store.base import NoSuchRoom, RoomEntry, Status
from server.store.exchange import Listing
from shared.errors import StoreError

SWEEP_S = 1.0
# The whole list of rooms is dearer to read than the directory, and rarely says more.
LIST_SWEEPS = 30
ASLEEP_KEEP_S = 3600.0
"""A sleeping room is kept this long for somebody with its link."""


class Sweep:
    """Looks through the directory now and then. `take_up` gets rooms without a living owner."""

    def __init__(
        self,
        context: Context,
        directory: Directory,
        *,
        take_up: Callable[[list[RoomEntry]], Awaitable[None]],
        every_time: Callable[[list[Listing]], Awaitable[None]],
    ) -> None:
        self._name = context.name
        self._store = context.store
        self._exchange = context.exchange
        self._directory = directory
        self._clock = context.clock
        self._rng = context.rng
        self._log = context.log
        self._take_up = take_up
        self._every_time = every_time

    async def run(self) -> None:
        """Sweep until cancelled."""
        number = 0
        while True:
            await self._clock.sleep(SWEEP_S * self._rng.uniform(0.8, 1.2))
            number += 1
            try:
                await self.once(whole=number % LIST_SWEEPS == 0)
            except StoreError as error:
                self._log.warning("the sweep was broken off: %s", error)

    async def once(self, *, whole: bool) -> None:
        """One sweep; a whole one reads every room of the store."""
        # A room that is ours by the store's word and not run here was taken by a call whose answer
        # was lost; `take_up` passes over those that are.
        others = {process.name for process in await self._exchange.processes()} - {self._name}
        listings = await self._exchange.listings()
        orphans = {
            one.room for one in listings if one.owner and one.owner not in others | {self._name}
        }
        if whole or orphans:
            # Whether they are live, and who owns them now, the store knows better.
            entries = await self._entries(None if whole else orphans)
            await self._take_up(
                [one for one in entries if one.status is Status.LIVE and one.owner not in others]
            )
            sleeping = {one.room for one in listings if not one.owner}
            for entry in entries:
                if entry.status is Status.ASLEEP and entry.room not in sleeping:
                    # Nobody said so: its owner died, or the directory forgets with its process.
                    await self._directory.slept(entry)
                elif entry.status is Status.QUARANTINED and entry.room in orphans:
                    await self._directory.gone(entry.room)
        await self._expire([one for one in listings if not one.owner])
        await self._every_time(listings)

    async def _entries(self, rooms: set[str] | None) -> list[RoomEntry]:
        entries = await self._store.rooms()
        found = [entry for entry in entries if rooms is None or entry.room in rooms]
        for room in (rooms or set()) - {entry.room for entry in entries}:
            # Its owner died between closing it and saying so.
            await self._directory.gone(room)
        return found

    async def _expire(self, sleeping: list[Listing]) -> None:
        now_s = self._clock.wall_s()
        for listing in sleeping:
            about = read_listing(listing)
            if about is None or about.status != ASLEEP:
                continue
            if now_s - told_at(listing) > ASLEEP_KEEP_S:
                try:
                    closed = await self._close(listing.room)
                except StoreError as error:
                    self._log.warning("room %s: %s", listing.room, error)
                    continue
                if closed:
                    await self._directory.gone(listing.room)

    async def _close(self, room: str) -> bool:
        """Close a room that sleeps still; whether it is over, or put aside."""
        try:
            # To acquire would take the room from who has woken it.
            status = (await self._store.load(room)).status
            if status is not Status.ASLEEP:
                return status is Status.QUARANTINED
            loaded = await self._store.acquire(room, self._name)
            await self._store.set_status(room, loaded.epoch, Status.CLOSED)
        except NoSuchRoom:
            return True
        self._log.info("room %s slept for too long, it is closed", room)
        return True
