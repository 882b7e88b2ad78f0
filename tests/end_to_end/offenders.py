"""Those who misbehave: `python -m tests.end_to_end.offenders PORT`.

A process of its own, so that what it costs to misbehave is not charged to whoever measures. It
reads a kind from stdin, line by line, and misbehaves so until the next line; an empty line is a
rest. It answers every line with one: how often it misbehaved since the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable

from websockets.exceptions import InvalidStatus

from tests.end_to_end.client import (
    BINARY,
    CONTINUED,
    INPUT,
    PING,
    Client,
    connected,
    frame,
    pack,
)

Offence = Callable[[Client], Awaitable[object]]
# So many offenders work side by side, each after a breath.
SIDE_BY_SIDE = 4
BREATH_S = 0.02


async def joined(client: Client, data: bytes) -> None:
    """Take a seat, write these bytes, and wait to be sent away."""
    await client.join("yard")
    client.write(data)
    await client.ended()


async def first(client: Client, data: bytes) -> None:
    """Begin with these bytes, and wait to be sent away."""
    client.write(data)
    await client.ended()


async def hog(client: Client) -> None:
    """Play what takes the whole process's time: no offence, but what one would look like."""
    await client.join("hog")
    await asyncio.sleep(0.5)


async def sleeper(client: Client) -> None:
    """Join what sends much, and read nothing for a while."""
    await client.join("crowd")
    await asyncio.sleep(0.5)


def inputs(count: int) -> bytes:
    return b"".join(frame(BINARY, pack(INPUT, 0, [n, [1, 0]])) for n in range(1, count + 1))


OFFENCES: dict[str, Offence] = {
    "malformed": lambda c: first(c, frame(BINARY, b"\xc1")),
    "nested": lambda c: first(c, frame(BINARY, b"\x91" * 16_000)),
    "oversized": lambda c: first(c, frame(BINARY, bytes(200_000))),
    "forged": lambda c: first(c, frame(BINARY, pack(2, os.urandom(80), 1, 0, 1))),
    "out of range": lambda c: joined(c, frame(BINARY, pack(INPUT, 0, [1, [9, float("nan")]]))),
    "inputs": lambda c: joined(c, inputs(1000)),
    "pings": lambda c: joined(c, frame(PING) * 1000),
    "fragments": lambda c: joined(c, frame(BINARY, fin=False) + frame(CONTINUED, fin=False) * 2000),
    "sleeper": sleeper,
    "hog": hog,
}


async def main(port: int) -> None:
    """Read what to be, and be it."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    kind, count = "", 0

    async def misbehave() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(BREATH_S)
            offence = OFFENCES.get(kind)
            if offence is not None:
                with contextlib.suppress(OSError, TimeoutError, InvalidStatus):
                    async with connected(f"ws://127.0.0.1:{port}") as client:
                        await offence(client)
                count += 1

    working = [asyncio.ensure_future(misbehave()) for _ in range(SIDE_BY_SIDE)]
    while line := await lines.readline():
        kind = line.decode().strip()
        sys.stdout.write(f"{count}\n")
        sys.stdout.flush()
        count = 0
    for worker in working:
        worker.cancel()
    await asyncio.wait(working)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
