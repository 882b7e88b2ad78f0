"""Players who do nothing: what a server's process takes for them, beside an older commit's.

Each holds a connection as a page does whose player is away from the keyboard: it reads, reports the
tick it holds, and asks for the time every two seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from random import Random
from typing import Any

from bench import servers
from bots.clock import LoopClock
from bots.connection import Connection
from bots.websocket import open_websocket
from shared.limits import NONCE_BYTES
from shared.messages import Join, Time
from shared.session import ClientSession, Outcome

SETTLE_S = 3.0
TIME_EVERY_S = 2.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Idler:
    """A session that reports and asks for the time, and nothing else."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.frames = 0
        self.bytes = 0
        self.framed_once = asyncio.Event()
        self.session = ClientSession(Join(os.urandom(NONCE_BYTES), "still", options, "idler"))
        self.connection = Connection(
            url, self.session, self, connect=open_websocket, clock=LoopClock(), rng=Random()
        )
        self.task = asyncio.ensure_future(self.connection.run())

    def welcomed(self) -> None:
        """A WELCOME was taken in."""

    def framed(self, outcome: Outcome, /) -> None:
        """A frame was applied."""
        del outcome
        self.frames += 1
        self.framed_once.set()

    def troubled(self, code: int, reason: str, /) -> None:
        """A run that loses a socket is no measurement."""
        raise RuntimeError(f"an idle player was disconnected: {code} {reason}")

    def ask_time(self) -> None:
        """Send a TIME."""
        self.session.outbox.append(Time(0).encode())
        self.connection.flush()


async def idle_players(port: int, pid: int, players: int, rooms: int, seconds: float) -> Any:
    """The share of a core the process takes, and the frames a player gets in a second."""
    url = f"ws://127.0.0.1:{port}/play"
    idlers: list[Idler] = []
    for number in range(players):
        options: dict[str, Any] = {"private": True}
        if number >= rooms:
            first = idlers[number % rooms]
            assert first.session.welcome is not None
            options = {"room": first.session.welcome.room}
        idlers.append(Idler(url, options))
        if number < rooms or number == players - 1:
            await asyncio.gather(*(idler.framed_once.wait() for idler in idlers))
    asking = asyncio.ensure_future(_ask(idlers))
    try:
        await asyncio.sleep(SETTLE_S)
        frames, began = sum(idler.frames for idler in idlers), cpu_s(pid)
        await asyncio.sleep(seconds)
        spent_s = cpu_s(pid) - began
        frames = sum(idler.frames for idler in idlers) - frames
    finally:
        asking.cancel()
        for idler in idlers:
            idler.task.cancel()
        await asyncio.gather(*(idler.task for idler in idlers), return_exceptions=True)
    return {
        "core_percent": round(100 * spent_s / seconds, 2),
        "frames_per_player_and_s": round(frames / players / seconds, 2),
    }


async def _ask(idlers: list[Idler]) -> None:
    while True:
        for idler in idlers:
            idler.ask_time()
            await asyncio.sleep(TIME_EVERY_S / len(idlers))


def cpu_s(pid: int) -> float:
    """CPU time a process has taken, its threads' included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@contextlib.contextmanager
def checked_out(commit: str) -> Generator[Path, None, None]:
    """A tree of another commit, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(servers.ROOT), "worktree"]
        subprocess.run(
            [*git, "add", "--detach", str(tree), commit], check=True, capture_output=True
        )
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def quiet(players: int, rooms: int, seconds: float, before: str | None, runs: int) -> Any:
    """Interleaved runs of this tree and, where one is named, of the commit `before`."""
    found: dict[str, list[Any]] = {"now": []}
    with contextlib.ExitStack() as stack:
        roots = {"now": servers.ROOT}
        if before is not None:
            roots["before"] = stack.enter_context(checked_out(before))
            found["before"] = []
        game = str(servers.HERE / "still.py")
        for _ in range(runs):
            for name, root in roots.items():
                with servers.holdfast("--games", game, root=root) as (port, pid):
                    work = idle_players(port, pid, players, rooms, seconds)
                    found[name].append(asyncio.run(work))
    return {"players": players, "rooms": rooms, **found}
