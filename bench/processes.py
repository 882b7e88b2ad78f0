"""A process started for a measurement or a test: paused, resumed, killed, and never left behind.

It ends with this one however this one ends: Linux is asked to kill it, and elsewhere it is killed
when its owner says `kill`. It is in a group of its own, so that Ctrl-C in a terminal reaches
only us, who end it in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

PATIENCE_S = 30.0
"""Nothing that is waited for here takes this long, even on a busy machine; what does is broken."""
POLL_S = 0.02
PR_SET_PDEATHSIG = 1
# Below the ports that systems hand to outgoing connections: one of those may sit on a port that a
# killed server wants back.
PORTS = range(15_000, 32_000)

_LIBC = ctypes.CDLL(None)


class Child:
    """A command that runs, or ran, in `folder`; what it writes is appended to `output`.

    Start it in the main thread: Linux ties its life to the thread that started it.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._folder = folder
        self._output = output
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, also after its end; raises RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} was never started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, paused or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, or start it again after its end."""
        if self.alive:
            raise RuntimeError(f"{self._command[0]} runs already: pid {self.pid}")
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - It makes one system call.
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone; killing twice does nothing."""
        if self._process is not None:
            self._process.kill()
            await self.ended(PATIENCE_S)

    async def ended(self, within_s: float) -> int:
        """Wait for its end; the exit status as Popen has it, or TimeoutError."""
        process = self._process
        if process is None:
            raise RuntimeError(f"{self._command[0]} was never started")
        await until(lambda: process.poll() is not None, f"the end of {self._command[0]}", within_s)
        return process.returncode

    def written(self) -> str:
        """All that it wrote, over all its lives."""
        return self._output.read_text(encoding="utf-8", errors="replace")


async def until(
    met: Callable[[], bool | Awaitable[bool]], what: str, within_s: float = PATIENCE_S
) -> None:
    """Ask again and again until the answer is true.

    An `OSError`, such as a refused connection, counts as not yet. Raises TimeoutError, naming
    `what` was waited for, after `within_s` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        # A TimeoutError is an OSError: the deadline is judged below.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout_at(deadline):
                answer = met()
                if answer if isinstance(answer, bool) else await answer:
                    return
        if loop.time() >= deadline:
            raise TimeoutError(f"waited {within_s:g} s in vain for {what}")
        await asyncio.sleep(POLL_S)


def signal_pid(pid: int, number: int) -> bool:
    """Send a signal to a process that is not our child; whether there was one."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_gone(pid: int) -> bool:
    """Whether no process has this id, or only one that ended and was not waited for."""
    if sys.platform == "linux":
        return _state(Path(f"/proc/{pid}")) in {"", "Z", "X"}
    return not signal_pid(pid, 0)


def is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs any more after SIGSTOP; where none can tell, yes."""
    return all(_state(task) in {"", "T", "Z", "X"} for task in Path(f"/proc/{pid}/task").glob("*"))


def _state(of: Path) -> str:
    """The letter that Linux has for the state of a process or a thread, "" where it is no more."""
    try:
        return (of / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def own_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no outgoing connection is given."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("every port is taken")


def _die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it is killed."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
