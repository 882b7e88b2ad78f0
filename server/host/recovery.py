"""Rooms without a living owner, taken up from the store, a few at a time.

The reaper of every process has the same list, read before the first of these rooms is taken: so a
room is taken only in the epoch in which it was listed. In another epoch a living process owns it;
taking it would count a crash against the room, and three such counts quarantine it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from server.core.lobby import RoomMeta
from server.core.versions import LeftAlone
from server.host.context import Context
from server.host.failover import Failover
from server.host.room_handle import RoomHandle
from server.store.base import NoSuchRoom, RoomEntry, StoreUnavailable
from shared.game import Game

AT_ONCE_MAX = 4


class Recovery:
    """Takes rooms up; `passes_over` says which are not to be had here, or are here already."""

    def __init__(
        self,
        context: Context,
        games: Mapping[str, Game],
        failover: Failover,
        *,
        local: Callable[[str, RoomMeta, Game], RoomHandle],
        passes_over: Callable[[str], bool],
    ) -> None:
        self._rng = context.rng
        self._store = context.store
        self._suspicion = context.watch.suspicion
        self._games = games
        self._failover = failover
        self._local = local
        self._passes_over = passes_over

    async def take_up(self, entries: Sequence[RoomEntry]) -> None:
        """Take up rooms in no order, so that the living share them; StoreUnavailable passes.

        What was begun is waited for even then: the next round would take a room from this one.
        """
        waiting = iter(self._rng.sample(entries, len(entries)))

        async def one_by_one() -> None:
            for entry in waiting:
                await self.take(entry)

        ends = await asyncio.gather(
            *(one_by_one() for _ in range(AT_ONCE_MAX)), return_exceptions=True
        )
        for end in ends:
            if end is not None:
                raise end

    async def take(self, entry: RoomEntry) -> None:
        """Take a room that nobody owns; one that cannot be read is put aside, its journal kept.

        StoreUnavailable passes: that is no fault of the room.
        """
        room = entry.room
        if self._passes_over(room) or self._suspicion.suspects(room):
            return
        try:
            meta = RoomMeta.decode(entry.meta)
            game = self._games.get(meta.game)
            if game is None:
                self._failover.leave_alone(room, f"its game {meta.game} is not served")
                return
            if self._suspicion.refuses(meta.game):
                self._failover.leave_alone(room, f"its game {meta.game} hangs")
                return
            loaded = await self._store.load(room)
            if loaded.epoch == entry.epoch:
                handle = self._local(room, meta, game)
                stuck = await handle.store.stuck_in(entry.owner)
                if stuck != room:
                    await self._failover.take_up(handle, loaded, entry.owner, stuck)
        except StoreUnavailable:
            raise
        except (LeftAlone, NoSuchRoom) as reason:
            self._failover.leave_alone(room, str(reason))
        except Exception as error:  # noqa: BLE001 - stored bytes may fail a decoder in any way.
            await self._failover.put_aside(room, error)
