"""Whoever misbehaves, the others keep their rhythm: the gaps between their frames stay short.

Windows with one kind of offender and windows without any alternate; compared is the median over the
rounds of each window's p99, as a ratio, on whatever machine this is.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from statistics import median

import msgpack
import pytest

from tests.end_to_end.client import FRAME, INPUT, Client, connected
from tests.end_to_end.offenders import OFFENCES
from tests.end_to_end.server import GAMES, ROOT, Server, environment, serve

ROUNDS = 3
# Kinds that seem to disturb are looked at again, up to so many rounds.
ROUNDS_MAX = 9
# Ten frames at 20 a second.
WINDOW_S = 0.5
# What the last kind left behind is over before the next begins.
REST_S = 0.15
QUIET = ""
# What no offender may do to a neighbour; the hog, who is none, must.
RATIO_MAX = 2.0
CONTROL = "hog"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of coins, for the neighbour, and of what offenders play."""
    games = ",".join(["coins", *(f"{GAMES}/{name}.py" for name in ("yard", "crowd", "hog"))])
    with serve(tmp_path_factory.mktemp("street"), "--games", games) as server:
        yield server


class Neighbour:
    """Plays coins in a room of its own, and notes when each frame came."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last_s = 0.0
        self.gaps_s: list[float] = []

    async def play(self) -> None:
        """Answer every frame, until cancelled."""
        now, seq = asyncio.get_running_loop().time, 0
        await self._client.join("coins", private=True)
        while True:
            message = msgpack.unpackb(await self._client.socket.recv(decode=False))
            if message[0] == FRAME:
                self.gaps_s.append(now() - self._last_s)
                self._last_s, seq = now(), seq + 1
                await self._client.send(INPUT, message[1], [seq, [seq % 3 - 1, 0]])


@asynccontextmanager
async def neighbour(server: Server) -> AsyncGenerator[Neighbour, None]:
    async with connected(server) as client:
        one = Neighbour(client)
        playing = asyncio.ensure_future(one.play())
        try:
            await asyncio.sleep(0.5)
            yield one
            assert not playing.done(), playing
        finally:
            playing.cancel()
            await asyncio.wait([playing])


@asynccontextmanager
async def offenders(server: Server) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.end_to_end.offenders", str(server.port)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def become(process: asyncio.subprocess.Process, kind: str) -> int:
    """Let the offenders be of this kind from now on; how often they were of the last."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{kind}\n".encode())
    return int(await process.stdout.readline())


def p99(gaps_s: list[float]) -> float:
    return sorted(gaps_s)[int(len(gaps_s) * 0.99)]


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_offenders_do_not_disturb_their_neighbours(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = server.worker()
    windows: dict[str, list[float]] = defaultdict(list)
    offences: dict[str, int] = defaultdict(int)
    ratios: dict[str, float] = {}
    quiet_s = 0.0
    async with neighbour(server) as one, offenders(server) as process:
        kinds = [kind for kind in OFFENCES if kind != CONTROL]
        for number in range(ROUNDS_MAX):
            # The control comes last of all, when nobody is measured after it.
            for kind in interleaved(kinds):
                windows[kind].append(await window(one, process, kind, offences))
            quiet_s = median(windows[QUIET])
            ratios |= {kind: median(windows[kind]) / quiet_s for kind in kinds}
            if number + 1 >= ROUNDS:
                # What this machine did by itself passes; what an offender does stays.
                kinds = [kind for kind in kinds if ratios[kind] > RATIO_MAX]
            if not kinds:
                break
        control = await window(one, process, CONTROL, offences) / quiet_s
    shown = {kind: round(ratio, 2) for kind, ratio in (ratios | {CONTROL: control}).items()}
    with capsys.disabled():
        print(f"\nlongest gaps, of {quiet_s * 1000:.0f} ms: times {shown}", end=" ")
    assert all(offences[kind] for kind in OFFENCES), offences
    assert control > RATIO_MAX
    assert kinds == [], shown
    assert server.worker() == worker


def interleaved(kinds: list[str]) -> list[str]:
    """The kinds with a quiet window before every third."""
    return [
        one for at, kind in enumerate(kinds) for one in ([QUIET, kind] if at % 3 == 0 else [kind])
    ]


async def window(
    one: Neighbour, process: asyncio.subprocess.Process, kind: str, offences: dict[str, int]
) -> float:
    """The p99 of the neighbour's gaps while the offenders are of this kind."""
    await become(process, kind)
    await asyncio.sleep(REST_S)
    one.gaps_s.clear()
    await asyncio.sleep(WINDOW_S)
    found = p99(one.gaps_s)
    offences[kind] += await become(process, QUIET)
    return found
