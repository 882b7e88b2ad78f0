"""The letters to this process itself; those to rooms are read by their handles."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from server.core.post import Adopt, decode_letter
from server.host.context import Context
from server.store.exchange import Subscription
from shared.errors import RemoteError


class Mail:
    """Reads letters and has done what they ask; what cannot be read is said in the log."""

    def __init__(
        self,
        context: Context,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        reach: Callable[[str], Coroutine[Any, Any, object]],
    ) -> None:
        self._name = context.name
        self._exchange = context.exchange
        self._log = context.log
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

    async def _adopt(self, room: str) -> None:
        """Follow a room, so that its owner has somebody to hand it to."""
        try:
            await self._reach(room)
        except RemoteError as error:
            self._log.warning("room %s could not be adopted: %s", room, error.reason)
