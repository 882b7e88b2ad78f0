"""A well-behaved player beside the misbehaving ones, who swears that nothing happened to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgpack
from websockets.exceptions import ConnectionClosed

from shared.limits import BEHIND_TICKS_MAX
from tests.end_to_end.client import CLOSE, DIGEST, FRAME, INPUT, Client, Seat, connected, ticks_told
from tests.end_to_end.server import PATIENCE_S, Server, until

# So many frames the witness still gets after the others are gone.
FRAMES_AFTER = 5
# Who reads nothing for a second is skipped, and rightly so; half of it tells sleep from haste.
ASLEEP_S = 0.5


class Witness:
    """Plays in the yard: an input for every frame, and a memory of every tick and ack."""

    def __init__(self, client: Client, seat: Seat) -> None:
        self.seat = seat
        self.ticks = [client.tick]
        self.acked = 0
        self.sent = 0
        self.heard: list[Any] = []
        self._client = client
        self._frame = asyncio.Event()
        self._read_s = [asyncio.get_running_loop().time()]

    async def goes_on(self, frames: int) -> None:
        """Wait for so many more frames and the acks of all sent so far, or for trouble."""
        tick, seq = self.ticks[-1] + frames, self.sent
        while (self.ticks[-1] < tick or self.acked < seq) and not self.heard:
            await self._frame.wait()
            self._frame.clear()

    def missed(self) -> list[tuple[int, int]]:
        """Ticks between which frames are missing, or out of order, by no fault of its own.

        On a machine that gives this process no time for a second, the server skips frames that
        would not be read. Then twenty were read at once after a silence; a server that does not
        read or write in time looks otherwise.
        """
        found: list[tuple[int, int]] = []
        for at, (tick, after) in enumerate(pairwise(self.ticks)):
            read_s = self._read_s[max(0, at - BEHIND_TICKS_MAX) : at + 2]
            slept = max(later - earlier for earlier, later in pairwise(read_s)) > ASLEEP_S
            if after <= tick or (after > tick + 1 and not slept):
                found.append((tick, after))
        return found

    def _note(self, frame: list[Any], now_s: float) -> None:
        """A frame came, of its tick and of the quiet ones before it that it says needed none."""
        for one in ticks_told(self.ticks[-1], frame):
            self.ticks.append(one)
            self._read_s.append(now_s)

    async def play(self) -> None:
        """Answer every frame with an input; ends with the connection."""
        now = asyncio.get_running_loop().time
        try:
            while True:
                message = msgpack.unpackb(await self._client.socket.recv(decode=False))
                if message[0] == FRAME:
                    self._note(message, now())
                    self.acked = message[4]
                    self.sent += 1
                    await self._client.send(INPUT, message[1], [self.sent, [self.sent % 3 - 1, 0]])
                elif message[0] != DIGEST:
                    self.heard.append(message)
                self._frame.set()
        except ConnectionClosed as end:
            self.heard.append([CLOSE, str(end)])
            self._frame.set()


@asynccontextmanager
async def unharmed(server: Server, **options: Any) -> AsyncGenerator[Witness, None]:
    """A witness for the time of the block, and what it swears at the end.

    It got the frame of every tick in which anything happened, in order, and an ack for its inputs;
    it was told of nothing else; besides it no connection and no session is left; and the server
    logged no failure.
    """
    logged = len(server.log())
    async with connected(server) as client:
        witness = Witness(client, await client.join(name="witness", private=True, **options))
        playing = asyncio.ensure_future(witness.play())
        try:
            yield witness
            await asyncio.wait_for(witness.goes_on(FRAMES_AFTER), PATIENCE_S)
        finally:
            playing.cancel()
            await asyncio.wait([playing])
        assert witness.heard == []
        assert witness.missed() == []
        await asyncio.to_thread(settled, server)
        failures = [
            line
            for line in server.log()[logged:].splitlines()
            if " ERROR " in line or " CRITICAL " in line or "Traceback" in line
        ]
        assert failures == []


def settled(server: Server) -> None:
    """Wait until one connection and one session are all there is."""
    # The asking itself is the one connection that is no WebSocket.
    names = ("listener_open_now", "sessions", "listener_http_now")
    left: list[float] = []

    def alone() -> bool:
        now = server.metrics()
        left[:] = [now[name] for name in names]
        return left == [1, 1, 1]

    try:
        until(alone)
    except AssertionError:
        raise AssertionError(f"{names} are {left}, expected 1 each") from None
