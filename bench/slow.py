"""A client that stops reading: what it costs the server, and how it becomes current again.

Two clients share a room. One stops reading for a while, the other plays on; the server is asked
what waits in its buffers, the kernel's included.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.request import urlopen

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench import servers
from shared.messages import SUBPROTOCOL, Frame, Join, decode_from_server
from shared.session import ClientSession, ClientState

ASLEEP_S = 30.0
QUIET_S = 3.0
ASK_EVERY_S = 0.25
# What the sleeper's own kernel takes in; small, so that the server's buffers are what fills.
RECEIVE_BUFFER_BYTES = 16 * 1024


@dataclass
class Heard:
    """A frame: when it came, of which tick from which base, and how long it was."""

    at_s: float
    tick: int
    base: int
    size: int


@dataclass
class Client:
    """A player without hands: reads while it is awake, and reports what it holds."""

    socket: ClientConnection
    session: ClientSession
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    frames: list[Heard] = field(default_factory=list[Heard])

    async def play(self) -> None:
        """Until cancelled."""
        now = asyncio.get_running_loop().time
        await self.socket.send(self.session.hello())
        while True:
            await self.awake.wait()
            payload = await self.socket.recv(decode=False)
            self.session.receive(payload)
            message = decode_from_server(payload)
            if isinstance(message, Frame):
                self.frames.append(Heard(now(), message.tick, message.base, len(payload)))
                self.heard.set()
            for out in self.session.outbox:
                await self.socket.send(out)
            self.session.outbox.clear()

    @property
    def tick(self) -> int:
        """The newest tick heard."""
        return self.frames[-1].tick if self.frames else 0


async def opened(port: int, game: str, name: str, stack: AsyncExitStack, **options: Any) -> Client:
    """A client in a room of its own, or in the one that `options` name, with its first frames."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    wire = await connect(
        f"ws://127.0.0.1:{port}/play",
        sock=sock,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        ping_interval=None,
        close_timeout=1,
        max_size=None,
        max_queue=1,
        proxy=None,
    )
    stack.callback(wire.transport.abort)
    client = Client(wire, ClientSession(Join(os.urandom(16), game, options, name)))
    client.awake.set()
    playing = asyncio.ensure_future(client.play())
    stack.callback(playing.cancel)
    while len(client.frames) < 2:
        await asyncio.wait([playing], timeout=0.01)
        if playing.done():
            playing.result()
    return client


async def backlog(port: int) -> dict[str, int]:
    """What waits in the server's buffers."""

    def ask() -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read(), "utf-8")

    lines = [line.split() for line in (await asyncio.to_thread(ask)).splitlines()]
    mark = "holdfast_backlog_"
    return {
        line[0].removeprefix(mark): int(float(line[1]))
        for line in lines
        if line[0].startswith(mark)
    }


async def watch(port: int, seconds: float) -> dict[str, int]:
    """The most that waited at any time of the next seconds."""
    most: dict[str, int] = {}
    end_s = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end_s:
        for name, value in (await backlog(port)).items():
            most[name] = max(most.get(name, 0), value)
        await asyncio.sleep(ASK_EVERY_S)
    return most


def gaps_ms(frames: list[Heard]) -> list[float]:
    """The times between frames, in order of length."""
    return sorted((after.at_s - before.at_s) * 1000 for before, after in pairwise(frames))


def p99(values: list[float]) -> float:
    """The 99th percentile of sorted values."""
    return round(values[int(len(values) * 0.99)], 1)


async def measure(port: int, game: str, asleep_s: float = ASLEEP_S) -> dict[str, Any]:
    """Let a client sleep with its socket open, and count."""
    async with AsyncExitStack() as stack:
        near = await opened(port, game, "near", stack, private=True)
        assert near.session.welcome is not None
        slow = await opened(port, game, "slow", stack, room=near.session.welcome.room)
        first = len(near.frames)
        quiet = await watch(port, QUIET_S)
        quiet_frames = near.frames[first:]
        slow.awake.clear()
        slept, first = len(slow.frames), len(near.frames)
        asleep = await watch(port, asleep_s)
        meanwhile, woken_tick = near.frames[first:], near.tick
        woken_s = asyncio.get_running_loop().time()
        slow.awake.set()
        while slow.tick <= woken_tick:
            slow.heard.clear()
            await slow.heard.wait()
        await asyncio.sleep(QUIET_S)
        later = slow.frames[slept:]
        old = [frame for frame in later if frame.tick <= woken_tick]
        current = later[len(old)]
        return {
            "asleep_s": asleep_s,
            "frame_bytes": quiet_frames[-1].size,
            "ticks_asleep": woken_tick - slow.frames[slept - 1].tick,
            "quiet_bytes_most": {"process": quiet["process_bytes_longest"]},
            "asleep_bytes_most": {
                "process": asleep["process_bytes_longest"],
                "kernel": asleep["kernel_bytes_longest"],
                "kernel_bound": asleep["kernel_bytes_max"],
            },
            "old_frames_read": len(old),
            "current_after_frames": 1 + sum(f.tick < woken_tick for f in later[len(old) :]),
            "current_frame_bytes": current.size,
            "current_after_ms": round((current.at_s - woken_s) * 1000, 1),
            "frames_after": sum(f.tick > woken_tick for f in later),
            "ticks_after": slow.tick - woken_tick,
            "same_connection": slow.session.state is ClientState.LIVE,
            "views_compared": slow.session.stats.digests,
            "views_that_differ": slow.session.stats.divergence,
            "neighbour_frames_of_ticks": [
                len(meanwhile),
                meanwhile[-1].tick - meanwhile[0].tick + 1,
            ],
            "neighbour_gap_p99_ms": {
                "quiet": p99(gaps_ms(quiet_frames)),
                "asleep": p99(gaps_ms(meanwhile)),
            },
        }


def slow_reader() -> dict[str, Any]:
    """`measure` on a server of its own."""
    with servers.holdfast("--games", "./bench/ants.py", "--digest-ticks", "5") as (port, _):
        return asyncio.run(measure(port, "ants"))
