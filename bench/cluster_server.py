"""One server of a cluster: `python -m server` with its supervisor and one worker.

Which worker runs, and under what name the directory of processes has it, is read from the server's
log, which says so even while nobody answers.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.processes import PATIENCE_S, Child, is_gone, is_stopped, signal_pid, until

ROOT = Path(__file__).resolve().parent.parent
STARTED = re.compile(r"worker started: pid (\d+)")
SERVES = re.compile(r"process (\S+) serves: worker \d+, pid (\d+)")
# What a supervisor adds to the drain before it kills, and a little for a busy machine.
STOP_MARGIN_S = 8.0


class Server:
    """A server on a port of 127.0.0.1 that stays its own, with one worker.

    With each worker `pid` and `name` change; the port and the log stay.
    """

    def __init__(
        self,
        number: int,
        port: int,
        folder: Path,
        flags: Sequence[str],
        environment: Mapping[str, str],
        drain_s: float,
        *,
        module: str = "server",
    ) -> None:
        self.number = number
        self.port = port
        self.log = folder / f"server-{number}.log"
        self._drain_s = drain_s
        self._read = 0
        self._pid: int | None = None
        self._serves: tuple[str, int] | None = None
        self._paused: int | None = None
        command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--drain-s", f"{drain_s:g}", *flags]
        self._child = Child(command, ROOT, self.log, environment)

    @property
    def name(self) -> str:
        """The process name of the worker that served last, as the directory and rooms have it."""
        self._follow_log()
        if self._serves is None:
            raise RuntimeError(f"server {self.number} has not served yet")
        return self._serves[0]

    @property
    def serving_pid(self) -> int:
        """The process id of the worker that served last; 0 before the first."""
        self._follow_log()
        return 0 if self._serves is None else self._serves[1]

    @property
    def pid(self) -> int:
        """The process id of the worker started last, which may still be loading or be dead."""
        self._follow_log()
        if self._pid is None:
            raise RuntimeError(f"server {self.number} has started no worker yet")
        return self._pid

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._child.alive

    @property
    def url(self) -> str:
        """Its own address, past the proxy."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start supervisor and worker, and wait until it serves.

        Raises RuntimeError, with the end of its log, when it ends instead.
        """
        self._child.start()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the worker started last answers that it is ready."""
        await until(self._is_ready, f"server {self.number} to serve; see {self.log}")

    async def kill(self) -> int:
        """SIGKILL the worker and wait until it is gone; the supervisor starts another at once.

        Returns the dead worker's process id; `ready` waits for the next worker. Where the last one
        is dead already, the next is waited for and killed.
        """
        await until(lambda: not is_gone(self.pid), f"a worker of server {self.number} to kill")
        return await self._end_worker()

    async def kill_all(self) -> None:
        """SIGKILL the supervisor and the worker: nothing of this server is left."""
        await self._child.kill()
        if self._knows_worker():
            await self._end_worker()

    async def pause(self) -> None:
        """SIGSTOP the worker: connections are accepted by the kernel, nothing is answered.

        It is waited for: Linux ends a stopped process that loses its parent, not one that is about
        to stop.
        """
        pid = self._paused = self.pid
        signal_pid(pid, signal.SIGSTOP)
        await until(lambda: is_stopped(pid), f"process {pid} to stop")

    async def resume(self) -> None:
        """SIGCONT the worker that was paused."""
        if self._paused is not None:
            signal_pid(self._paused, signal.SIGCONT)
            self._paused = None

    async def drain(self) -> int:
        """SIGTERM the supervisor, as a platform does, and wait; the server's exit status."""
        self._child.signal(signal.SIGTERM)
        return await self._child.ended(self._drain_s + STOP_MARGIN_S)

    async def ask(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET, past the proxy."""
        return await get(self.port, path)

    async def _end_worker(self) -> int:
        pid = self.pid
        signal_pid(pid, signal.SIGKILL)
        await until(lambda: is_gone(pid), f"the end of worker {pid}")
        return pid

    def _knows_worker(self) -> bool:
        self._follow_log()
        return self._pid is not None

    async def _is_ready(self) -> bool:
        if not self._child.alive:
            raise RuntimeError(f"server {self.number} ended: {self._child.written()[-2000:]}")
        self._follow_log()
        # A worker that died may have left its line; the one that counts is the last one started.
        if self._serves is None or self._serves[1] != self._pid or is_gone(self._serves[1]):
            return False
        return (await self.ask("/readiness_check"))[0] == 200

    def _follow_log(self) -> None:
        """Read what was written since the last time, whole lines only."""
        if not self.log.exists():
            return
        with self.log.open("rb") as file:
            file.seek(self._read)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode("utf-8", errors="replace").splitlines():
            if found := STARTED.search(line):
                self._pid = int(found[1])
            elif found := SERVES.search(line):
                self._serves = (found[1], int(found[2]))


async def get(port: int, path: str, within_s: float = PATIENCE_S) -> tuple[int, bytes]:
    """Status and body of a GET on a connection of its own."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            status = (await reader.readuntil(b"\r\n")).split()[1]
            await reader.readuntil(b"\r\n\r\n")
            return int(status), await reader.read()
        finally:
            writer.transport.abort()
