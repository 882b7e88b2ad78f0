"""Handing rooms to other processes, at a tick's end, so that their next tick comes in time.

The heir follows the room before it gets it: its rows are warm, and all it has to do is acquire and
step. Where nobody follows, a process is asked to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from server.core.post import Adopt, encode_letter
from server.host.local_room import LocalRoom
from server.host.parts import Parts
from server.host.phases import Phases
from server.host.room_host import RoomHost
from server.store.exchange import Released
from shared.errors import StoreError

# How long one process may take to begin to follow a room it was asked to take.
ADOPT_S = 1.0
# How long the heir may take to say that the room is its own.
HEIR_S = 1.0
LOOK_S = 0.002
AT_ONCE_MAX = 16


class Handover:
    """Lets go of rooms. `follow` makes this process a follower of what it owned."""

    def __init__(
        self,
        parts: Parts,
        phases: Phases,
        follow: Callable[[LocalRoom, RoomHost], Awaitable[None]],
    ) -> None:
        self._name = parts.name
        self._store = parts.store
        self._exchange = parts.exchange
        self._clock = parts.clock
        self._phases = phases
        self._log = parts.log
        self._follow = follow

    async def everything(self, rooms: Iterable[LocalRoom]) -> None:
        """Hand over as many rooms as there are takers for; the rest stays here."""
        gate = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(room: LocalRoom) -> None:
            async with gate:
                await self.room(room, anybody=True)

        await asyncio.gather(*(one(room) for room in rooms))

    async def room(self, room: LocalRoom, to: str = "", *, anybody: bool = False) -> bool:
        """Hand one room over, to this process or ("") to any; False if nobody took it.

        With `anybody`, whoever is fastest has it: for a process that takes no rooms itself, since
        it follows what it lets go, and none is faster.
        """
        owned = room.owned
        if owned is None:
            return False
        try:
            heir = await self._heir(owned, to)
            return bool(heir) and await self._let_go(room, owned, "" if anybody else heir)
        except StoreError as error:
            self._log.warning("room %s was not handed over: %s", room.id, error)
            return False

    async def _heir(self, owned: RoomHost, to: str) -> str:
        """A process that takes rooms and follows this one, maybe because it was asked; or ""."""
        others = [p for p in await self._exchange.processes() if p.name != self._name and p.open]
        takers = sorted(
            (p for p in others if owned.meta.game in p.games and to in ("", p.name)),
            key=lambda process: process.rooms,
        )
        follow = owned.presence.edges(owned.age_s)
        for process in takers:
            if process.name in follow:
                return process.name
        for process in takers:
            self._exchange.post(process.name, encode_letter(self._name, [Adopt(owned.id)]))
            until_s = self._clock.now() + ADOPT_S
            while self._clock.now() < until_s and not owned.done:
                if process.name in owned.presence.edges(owned.age_s):
                    return process.name
                await self._clock.sleep(LOOK_S)
        return ""

    async def _let_go(self, room: LocalRoom, owned: RoomHost, to: str) -> bool:
        while not owned.settled and not owned.done:
            await self._clock.sleep(LOOK_S)
        if owned.done:
            return False
        due_s = self._clock.now() + self._phases.remove(owned)
        epoch, tick = owned.epoch, owned.match.tick
        # Followed first, or the news of the heir might be missed.
        await self._follow(room, owned)
        await self._store.release(room.id, epoch)
        due_ms = int(max(0.0, due_s - self._clock.now()) * 1000)
        self._exchange.tell([(room.id, Released(epoch, tick, due_ms, to))])
        until_s = self._clock.now() + HEIR_S
        while self._clock.now() < until_s:
            if room.over is not None or room.epoch > epoch:
                self._log.info("room %s was handed over after tick %d", room.id, tick)
                return True
            await self._clock.sleep(LOOK_S)
        self._log.warning("room %s was let go, and nobody has taken it yet", room.id)
        return False
