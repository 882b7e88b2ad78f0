"""One of a server's workers as its supervisor has it: a process, or the wait for the next one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Sequence

from server.listening import SERVING
from server.restarts import Backoff
from server.settings import STACK_SIGNAL
from server.watch_page import WatchPage, anonymous_file
from server.watchdog import Watched

STACK_LOOK_S = 0.01


class WorkerProcess:
    """Worker `number` (from 1): started, told to stop, killed, started again.

    Times are the caller's clock, in seconds. `start_at` is when the next process is due, None
    where none is; `stop_by` is until when the present one has to stop, None where it need not.
    """

    def __init__(self, number: int, argv: Sequence[str], backoff: Backoff) -> None:
        self.number = number
        self.backoff = backoff
        self.started = 0.0
        self.start_at: float | None = None
        self.stop_by: float | None = None
        # It accepted connections, in this life.
        self.served = False
        # It was told to stop so that another takes its place.
        self.replacing = False
        self.killed = False
        # It was ended for a room that is not to be taken up again: the next process may start.
        self.convicted = False
        self.watched = Watched(0.0)
        self._argv = tuple(argv)
        self._pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._stacks: int | None = None

    @property
    def pid(self) -> int:
        """The process id of the process there is or was last; 0 before the first."""
        return self._pid

    @property
    def alive(self) -> bool:
        """Whether there is a process; one that ended counts until `reap` has told its status."""
        return self._process is not None

    @property
    def serving(self) -> bool:
        """Whether it accepts connections."""
        return self.alive and self.served

    @property
    def unheard(self) -> socket.socket | None:
        """The lifeline of a process that has not said yet that it serves."""
        return None if self.served else self._lifeline

    def start(self, listener: socket.socket, page: WatchPage, now: float) -> None:
        """Start a process that inherits the listening socket and the page it is watched by."""
        assert self._process is None
        page.clear(self.number)
        ours, its = socket.socketpair()
        self._stacks = anonymous_file("holdfast-stacks")
        fds = (listener.fileno(), its.fileno(), page.fd, self._stacks)
        with its:
            # In a group of its own it gets Ctrl-C once, from us, and not from the terminal.
            self._process = subprocess.Popen(
                [*self._argv, "--worker", ",".join(map(str, (*fds, self.number)))],
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
                process_group=0,
            )
        self._pid = self._process.pid
        self._lifeline = ours
        self.started = now
        self.start_at = self.stop_by = None
        self.served = self.replacing = self.killed = self.convicted = False

    def watch(self, watchdog_s: float, look_every_s: float) -> None:
        """Judge its silence from now on, as if nothing had been noticed before."""
        self.watched = Watched(watchdog_s, look_every_s)

    def stack(self, wait_s: float) -> str:
        """Have it write the stacks of its threads, as faulthandler does; "" if it does not.

        Blocks for as long as that takes, at most `wait_s`.
        """
        assert self._process is not None
        assert self._stacks is not None
        self._process.send_signal(STACK_SIGNAL)
        size, until = 0, time.monotonic() + wait_s
        while time.monotonic() < until:
            time.sleep(STACK_LOOK_S)
            before, size = size, os.fstat(self._stacks).st_size
            if size and size == before:
                break
        return os.pread(self._stacks, size, 0).decode(errors="replace")

    def hear(self) -> None:
        """Read from the lifeline, which is readable: it serves, or it is about to have ended."""
        assert self._lifeline is not None
        with contextlib.suppress(OSError):
            if self._lifeline.recv(1) == SERVING:
                self.served = True
                return
        self._let_go()

    def stop(self, number: int, by: float) -> None:
        """Send a signal that tells it to stop."""
        if self._process is not None:
            self._process.send_signal(number)
            self.stop_by = by if self.stop_by is None else self.stop_by

    def kill(self) -> None:
        """SIGKILL; it cannot be refused, so there is no further deadline."""
        if self._process is not None:
            self._process.kill()
            self.killed = True
            self.stop_by = None

    def reap(self) -> int | None:
        """The status of a process that has ended, once, as Popen gives it; None otherwise."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            if self.unheard is not None:
                # It may have served and ended before we heard of it.
                self.unheard.setblocking(False)
                self.hear()
            self._process = None
            self._let_go()
        return status

    def _let_go(self) -> None:
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None
        if self._process is None and self._stacks is not None:
            os.close(self._stacks)
            self._stacks = None
