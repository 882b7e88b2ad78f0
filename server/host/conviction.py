"""A room that hung its owner, put aside: quarantined, its journal kept, its players told."""

from __future__ import annotations

from server.store.base import NoSuchRoom, Status, Store
from server.store.exchange import Ended, Exchange
from shared.errors import CloseCode

HANGS = "the game hung; the room is kept aside"


async def put_aside(room: str, reason: str, name: str, store: Store, exchange: Exchange) -> None:
    """Quarantine a room for this reason; `name` is this process's, which takes it to do so.

    A room that is over meanwhile stays so. StoreUnavailable passes.
    """
    try:
        if (await store.load(room)).status in {Status.CLOSED, Status.QUARANTINED}:
            return
        # An owner that lives, as where only a view hangs, is fenced by it.
        loaded = await store.acquire(room, name, blameless=True)
        await store.set_status(room, loaded.epoch, Status.QUARANTINED, reason)
    except NoSuchRoom:
        return
    exchange.tell([(room, Ended(loaded.epoch, CloseCode.GAME_FAILED, HANGS))])
