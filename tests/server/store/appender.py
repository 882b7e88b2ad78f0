"""A process that appends to a sqlite store until it is killed, printing each answered tick."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from server.store.base import Append
from server.store.sqlite import SqliteStore
from tests.server.store.backends import ROOM


async def append_for_ever(path: Path) -> None:
    """Go on from the last committed tick, one append after the other."""
    store = SqliteStore(path, lambda: time.time_ns() // 1_000_000, fold_commits=4)
    await store.open()
    if not await store.rooms():
        await store.create(ROOM, b"")
    epoch = (await store.acquire(ROOM, "appender")).epoch
    tick = (await store.rooms())[0].tick
    while True:
        tick += 1
        (outcome,) = await store.append([Append(ROOM, epoch, tick, b"%d" % tick * 99)])
        assert outcome is None
        print(tick, flush=True)


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1])))
