"""What becomes of a room whose game raised: a tick back, then once without what that tick consumed.

In development it stands still after the last whole tick instead: its author reads why, saves the
file again, and the process that then takes the room up goes on from there.
"""

from __future__ import annotations

import logging

from server.core.hooks import HookFailed
from server.core.lobby import RoomMeta
from server.core.metrics import Metrics
from server.core.room import Room, Step
from server.host.room_store import RoomStore, restored
from shared.errors import StoreError


class FailedTick:
    """One room's. `fault` is why it stands still, "" while it does not."""

    def __init__(
        self,
        room: Room,
        meta: RoomMeta,
        kept: RoomStore,
        metrics: Metrics,
        log: logging.Logger,
        *,
        development: bool,
    ) -> None:
        self.fault = ""
        self.development = development
        self._room = room
        self._meta = meta
        self._kept = kept
        self._metrics = metrics
        self._log = log

    async def after(self, failure: HookFailed) -> Step | None:
        """The failed tick done again; None if the room stands still (see `fault`) or is over."""
        room = self._room
        self._metrics.count("game_errors_total")
        self._log.error("room %s: %s", room.id, failure, exc_info=failure.__cause__)
        try:
            loaded = await self._kept.load()
            # What was taken up before is read again by the same leave.
            room.recover(restored(room.game, self._meta, loaded, development=True))
            if self.development:
                self._stand_still(str(failure))
                return None
            return room.step_without(f"the game failed: {failure.reason}")
        except (HookFailed, StoreError) as again:
            self._metrics.count("rooms_failed_total")
            self._log.error("room %s: failed again, it ends: %s", room.id, again)
            return None

    def failed_elsewhere(self, fault: str) -> None:
        """A hook that an edge calls raised: make no more ticks. The first reason counts."""
        if not self.fault:
            self._log.error("room %s: %s", self._room.id, fault)
            self._stand_still(fault)

    def _stand_still(self, fault: str) -> None:
        self.fault = fault
        self._log.error(
            "room %s stands still after tick %d and goes on when the game's file is saved again",
            self._room.id,
            self._room.match.tick,
        )
