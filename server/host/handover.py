"""Handing rooms to other processes, at a tick's end, so that their next tick comes in time.

The successor follows the room before it gets it: its rows are warm, and all it has to do is take
over and step. Where nobody follows, a process is asked to. What is done to the room is in its
table; here a successor is looked for, and waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from server.core.lifecycle import Event, State
from server.core.post import Adopt, encode_letter
from server.host.context import Context
from server.host.owner import RoomOwner
from server.host.room_handle import RoomHandle
from shared.errors import StoreError

# How long one process may take to begin to follow a room it was asked to take.
ADOPT_S = 1.0
# How long the successor may take to say that the room is its own.
SUCCESSOR_S = 1.0
LOOK_S = 0.002
AT_ONCE_MAX = 16


class Handover:
    """Finds successors, and has rooms released to them."""

    def __init__(self, context: Context) -> None:
        self._name = context.name
        self._exchange = context.exchange
        self._clock = context.clock
        self._log = context.log

    async def everything(self, rooms: Iterable[RoomHandle]) -> None:
        """Hand over as many rooms as there are takers for; the rest stays here."""
        gate = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(room: RoomHandle) -> None:
            async with gate:
                await self.room(room, anybody=True)

        await asyncio.gather(*(one(room) for room in rooms))

    async def room(self, room: RoomHandle, to: str = "", *, anybody: bool = False) -> bool:
        """Hand one room over, to this process or ("") to any; False if nobody took it.

        With `anybody`, whoever is fastest has it: for a process that takes no rooms itself, since
        it follows what it lets go, and none is faster.
        """
        owner = room.owned
        if owner is None:
            return False
        try:
            successor = await self._successor(room, owner, to)
        except StoreError as error:
            self._log.warning("room %s was not handed over: %s", room.id, error)
            return False
        if not successor or not await room.settle() or not room.life.steps:
            return False
        if room.life.state is State.RECOVERING:
            return False
        epoch = room.epoch
        room.on(Event.SUCCESSOR_READY, "" if anybody else successor)
        return await self._moved(room, epoch)

    async def to_slow(self, room: RoomHandle) -> bool:
        """Hand a slow room over to a process that is kept for such rooms, if there is one."""
        try:
            living = await self._exchange.processes()
        except StoreError as error:
            self._log.warning("room %s stays where it is: %s", room.id, error)
            return False
        for process in living:
            if process.slow and process.name != self._name and process.open:
                return await self.room(room, process.name)
        return False

    async def _moved(self, room: RoomHandle, epoch: int) -> bool:
        """Wait until another process says that the room is its own."""
        until_s = self._clock.now() + SUCCESSOR_S
        while self._clock.now() < until_s:
            if room.life.over or room.epoch > epoch:
                self._log.info("room %s was handed over", room.id)
                return True
            if room.life.steps:
                return False
            await self._clock.sleep(LOOK_S)
        self._log.warning("room %s was let go, and nobody has taken it yet", room.id)
        return False

    async def _successor(self, room: RoomHandle, owner: RoomOwner, to: str) -> str:
        """A process that takes rooms and follows this one, maybe because it was asked; or ""."""
        others = [
            one
            for one in await self._exchange.processes()
            # One that is kept for slow rooms gets those that are sent there by its name.
            if one.name != self._name and one.open and (not one.slow or one.name == to)
        ]
        takers = sorted(
            (p for p in others if room.meta.game in p.games and to in ("", p.name)),
            key=lambda process: process.rooms,
        )
        follow = owner.presence.edges(owner.age_s)
        for process in takers:
            if process.name in follow:
                return process.name
        for process in takers:
            self._exchange.post(process.name, encode_letter(self._name, [Adopt(room.id)]))
            until_s = self._clock.now() + ADOPT_S
            while self._clock.now() < until_s and room.owned is owner:
                if process.name in owner.presence.edges(owner.age_s):
                    return process.name
                await self._clock.sleep(LOOK_S)
        return ""
