"""What a quiet tick of a room costs inside the process: microseconds and function calls each.

The whole host and an edge run here on the real clock, over a SQLite file, with peers that read and
say nothing; sockets are not part of it.
"""

from __future__ import annotations

import asyncio
import cProfile
import logging
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any, cast

from bench.still import Still
from server.core.metrics import Metrics
from server.edge.connection import Connection
from server.edge.edge import Edge
from server.edge.handshake import RequestHead
from server.host.clock import LoopClock
from server.host.context import Context
from server.host.host import RoomsHost
from server.store.memory_exchange import MemoryExchange
from server.store.sqlite import SqliteStore
from shared.limits import NONCE_BYTES
from shared.messages import FRAME, InputMessage, Join, decode_from_server
from shared.session import REPORT_FRAMES

SETTLE_S = 1.0
LISTED = 45
LOG = logging.getLogger("bench.quiet")
HEAD = RequestHead("/play", {}, {}, "127.0.0.1", "localhost")


class Reader:
    """A peer that reads whatever it is sent, at once, and reports as a client does."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        self.received = asyncio.Event()
        self.connection: Connection | None = None
        self._frames = 0

    def send(self, payload: bytes, /) -> None:
        """Take a message; every so many frames one is reported, after this turn of the loop."""
        self.received.set()
        self._frames += payload[1] == FRAME
        if self._frames == REPORT_FRAMES:
            self._frames = 0
            asyncio.get_running_loop().call_soon(self._report, decode_from_server(payload))

    def _report(self, frame: Any) -> None:
        assert self.connection is not None
        self.connection.message(InputMessage(frame.tick, ()).encode())

    def write(self, frame: bytes, /) -> None:
        """Take an encoded frame."""
        del frame

    def buffered(self) -> int:
        """Nothing waits."""
        return 0

    def close(self, code: int, reason: str) -> None:
        """A run that loses a player is no measurement."""
        raise RuntimeError(f"an idle player was disconnected: {code} {reason}")

    def abort(self) -> None:
        """As `close`."""
        raise RuntimeError("an idle player was disconnected")


class Inside:
    """A host and its edge in this process."""

    def __init__(self, folder: str) -> None:
        clock, self.metrics = LoopClock(), Metrics()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.store = SqliteStore(Path(folder) / "bench.db", lambda: int(time.time() * 1000))
        exchange = MemoryExchange(clock.now)
        context = Context(
            "inside", self.store, exchange, clock, os.urandom, Random(), self.metrics, LOG
        )
        self.host = RoomsHost({"still": (Still(), _no_brain)}, context, rooms_max=10_000)
        self.edge = Edge(
            self.host,
            clock,
            self.metrics,
            LOG,
            secret=os.urandom(32),
            digest_ticks=128,
            message_bytes_max=65536,
            later=asyncio.get_running_loop().call_later,
            spawn=self._spawn,
        )

    async def seat(self, players: int, rooms: int) -> None:
        """Seat so many players in so many rooms."""
        await self.store.open()
        await self.host.start()
        for number in range(players):
            options: dict[str, Any] = {"private": True}
            if number >= rooms:
                options = {"room": self.host.rooms()[number % rooms].id}
            reader = Reader()
            reader.connection = connection = self.edge.accept(reader, HEAD)
            join = Join(os.urandom(NONCE_BYTES), "still", options, "idler")
            connection.message(join.encode())
            await reader.received.wait()

    async def stop(self) -> None:
        """End everything."""
        await self.host.drain()
        await self.host.stop()
        await self.store.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _no_brain(schema: object) -> Any:
    raise AssertionError("no seat here has a brain")


async def _measure(players: int, rooms: int, seconds: float, profile: cProfile.Profile) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        inside = Inside(folder)
        await inside.seat(players, rooms)
        await asyncio.sleep(SETTLE_S)
        ticks = inside.metrics.counters["ticks_total"]
        loop_s, process_s = time.thread_time(), time.process_time()
        await asyncio.sleep(seconds)
        loop_s, process_s = time.thread_time() - loop_s, time.process_time() - process_s
        ticks = inside.metrics.counters["ticks_total"] - ticks
        profiled = inside.metrics.counters["ticks_total"]
        profile.enable()
        await asyncio.sleep(seconds)
        profile.disable()
        profiled = inside.metrics.counters["ticks_total"] - profiled
        await inside.stop()
    # Its stub does not name the attribute.
    calls: int = cast("Any", pstats.Stats(profile)).total_calls
    return {
        "room_ticks_per_s": round(ticks / seconds),
        "loop_us_per_room_tick": round(1e6 * loop_s / ticks, 1),
        "other_threads_us_per_room_tick": round(1e6 * (process_s - loop_s) / ticks, 1),
        "calls_per_room_tick": round(calls / profiled, 1),
    }


def inside(players: int, rooms: int, seconds: float) -> Any:
    """One run; the functions that take the most time of their own go to stderr."""
    profile = cProfile.Profile()
    found = asyncio.run(_measure(players, rooms, seconds, profile))
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(LISTED)
    return found
