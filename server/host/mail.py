"""The letters this process gets: as itself, and as the owner of rooms."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from server.core.post import Adopt, Move, decode_letter
from server.host.handover import Handover
from server.host.local_room import LocalRoom
from server.host.parts import Parts
from server.store.exchange import Subscription
from shared.errors import RemoteError


class Mail:
    """Reads letters and has done what they ask; what cannot be read is said in the log."""

    def __init__(
        self,
        parts: Parts,
        handover: Handover,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        reach: Callable[[str], Coroutine[Any, Any, object]],
    ) -> None:
        self._name = parts.name
        self._exchange = parts.exchange
        self._log = parts.log
        self._handover = handover
        self._spawn = spawn
        self._reach = reach
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Hear what is posted to this process's name."""
        self._subscription = await self._exchange.listen(self._name, self.to_process)

    def close(self) -> None:
        """Hear no more."""
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None

    def to_room(self, room: LocalRoom, letter: bytes) -> None:
        """A letter to a room; only its owner answers it."""
        owned = room.owned
        if owned is None:
            return
        try:
            sender, requests = decode_letter(letter, room.game)
        except ValueError as error:
            self._log.warning("room %s: a letter cannot be read: %s", room.id, error)
            return
        for request in requests:
            if isinstance(request, Move):
                # Asked again while it is on the way, or by name of who has it: nothing to do.
                if request.to != self._name:
                    self._spawn(self._move(room, request.to))
            else:
                owned.obey(sender, request, lasting=False)

    def to_process(self, letter: bytes) -> None:
        """A letter to this process."""
        try:
            _, requests = decode_letter(letter)
        except ValueError as error:
            self._log.warning("a letter to this process cannot be read: %s", error)
            return
        for request in requests:
            if isinstance(request, Adopt):
                self._spawn(self._adopt(request.room))
            else:
                self._log.warning("a process is not asked for %r", request)

    async def _move(self, room: LocalRoom, to: str) -> None:
        if room.owned is not None and not await self._handover.room(room, to):
            self._log.warning("room %s was asked to move, and nobody took it", room.id)

    async def _adopt(self, room: str) -> None:
        """Follow a room, so that its owner has somebody to hand it to."""
        try:
            await self._reach(room)
        except RemoteError as error:
            self._log.warning("room %s could not be adopted: %s", room, error.reason)
