"""Keeps worker processes alive behind a listening socket that outlives them.

The supervisor binds the port and never accepts. Its workers inherit the socket and accept from it
side by side; when one dies the others go on, and when all are dead, connections wait in the
socket's backlog until the next one takes them, instead of being refused.

    supervisor --- listener (bound here, accepted there) -------> worker 1 ... worker n
               --- lifeline (a worker says once: I serve) ------> each its own
               --- page (server/watch_page.py: who is stuck) ---> all
               --- SIGTERM, SIGINT (passed on) -----------------> all

Where a worker says on the page that a room of it is too slow beside others, one more is started,
which serves no players: such rooms go there.

The first worker starts alone: what is wrong with settings or store is said once, and the rest
start when it serves. POSIX only: Windows hands down no descriptors by number.
"""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Generator, Sequence
from types import FrameType

from server.config import Config
from server.listening import describe, listen
from server.restarts import (
    DEATHS_MAX,
    DEATHS_WINDOW_S,
    EXIT_CONFIG,
    EXIT_GAVE_UP,
    EXIT_OK,
    EXIT_RELOAD,
    EXIT_STORE,
    REST_S,
    STORE_RETRY_S,
    Backoff,
    cause,
)
from server.watch_page import WatchPage
from server.watching import Watching
from server.worker_process import WorkerProcess
from shared.errors import ConfigError

# Beyond its drain a worker needs a moment to close its store.
STOP_MARGIN_S = 3.0

# How often it is looked for rooms that are too slow, where nothing else is due.
SLOW_LOOK_S = 1.0

PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def supervise(
    config: Config,
    argv: Sequence[str],
    log: logging.Logger,
    folders: Collection[str] = (),
    tell: Callable[[str, str], None] | None = None,
) -> int:
    """Bind, keep the workers alive, and return the exit status of the whole server.

    `argv` is the whole command of a worker, interpreter included; `--worker` with what it inherits
    is added to it. `folders` are those of the games' files; `tell` says to other machines in which
    room a process is stuck. Raises `ConfigError` when the address cannot be bound or assertions are
    off.
    """
    require_assertions()
    listener = listen(config.host, config.port)
    try:
        log.info("listening on %s", describe(listener))
        stop_s = config.drain_s + STOP_MARGIN_S
        return Supervisor(
            listener=listener,
            argv=argv,
            workers=config.workers,
            stop_s=stop_s,
            log=log,
            watchdog_s=config.watchdog_s,
            folders=folders,
            tell=tell,
            slow_worker=config.slow_worker and config.workers > 1,
        ).run()
    finally:
        listener.close()


def require_assertions() -> None:
    """Raise `ConfigError` under `python -O`: invariants are asserted and must stay on."""
    if sys.flags.optimize:
        raise ConfigError(
            "python -O (or PYTHONOPTIMIZE) turns assertions off, and Holdfast's invariants are "
            "assertions; start it without"
        )


class Supervisor:
    """One listening socket and the workers behind it.

    stop_s: how long a worker that was told to stop may take, in seconds, before SIGKILL.
    watchdog_s: how long a worker's loop may be silent, in seconds; 0 for as long as it likes.
    tell: says to other machines in which room a worker is stuck.
    slow_worker: whether one more is started once a worker has a room that is too slow.
    backoff: makes what decides over the restarts of one worker.
    """

    def __init__(
        self,
        *,
        listener: socket.socket,
        argv: Sequence[str],
        stop_s: float,
        log: logging.Logger,
        workers: int = 1,
        backoff: Callable[[], Backoff] = Backoff,
        clock: Callable[[], float] = time.monotonic,
        watchdog_s: float = 0.0,
        folders: Collection[str] = (),
        tell: Callable[[str, str], None] | None = None,
        slow_worker: bool = False,
    ) -> None:
        self._listener = listener
        self._page = WatchPage.make()
        self._watching = Watching(self._page, watchdog_s, folders, log, clock=clock, tell=tell)
        self._stop_s = stop_s
        self._log = log
        self._clock = clock
        self._workers = [WorkerProcess(n, argv, backoff()) for n in range(1, workers + 1)]
        # Makes the worker for slow rooms, which is not there before there are any.
        self._slow_worker = (
            (lambda: WorkerProcess(workers + 1, argv, backoff())) if slow_worker else None
        )
        self._served = False
        self._stopping = False
        # Those that are not started again; the worst is the server's.
        self._statuses: list[int] = []

    def run(self) -> int:
        """Keep workers until none is left or due; return the exit status. Main thread only."""
        with _signals() as signals:
            self._start(self._workers[0])
            while any(one.alive or one.start_at is not None for one in self._workers):
                self._attend(signals)
                for worker in self._workers:
                    if (status := worker.reap()) is not None:
                        self._ended(worker, status)
                self._begin_rest()
                self._begin_slow()
                self._keep_time()
                self._watching.look(self._workers)
        self._page.close()
        return max(self._statuses, default=EXIT_OK)

    def _start(self, worker: WorkerProcess) -> None:
        worker.start(self._listener, self._page, self._clock())
        self._watching.begin(worker)
        number = f", worker {worker.number}" if len(self._workers) > 1 else ""
        self._log.info("worker started: pid %d%s", worker.pid, number)

    def _attend(self, signals: socket.socket) -> None:
        """Wait for a signal, a worker's word or the next thing due, and do as signals say."""
        times = [one.stop_by for one in self._workers] + [one.start_at for one in self._workers]
        times.append(self._watching.due_s)
        if self._slow_worker is not None:
            times.append(self._clock() + SLOW_LOOK_S)
        due = min((one for one in times if one is not None), default=None)
        timeout_s = None if due is None else max(0.0, due - self._clock())
        lifelines = {one.unheard: one for one in self._workers if one.unheard is not None}
        readable, _, _ = select.select([signals, *lifelines], [], [], timeout_s)
        for lifeline, worker in lifelines.items():
            if lifeline in readable:
                worker.hear()
        for number in signals.recv(256) if signals in readable else b"":
            if number == signal.SIGINT and self._stopping:
                for worker in self._workers:
                    self._kill(worker, "was interrupted twice")
            elif number in PASSED_ON:
                self._stop(number)

    def _begin_rest(self) -> None:
        """Start the workers after the first, once somebody serves."""
        if not self._served and any(one.served for one in self._workers):
            self._served = True
            for worker in self._workers[1:] if not self._stopping else ():
                self._start(worker)

    def _begin_slow(self) -> None:
        """Start the worker for slow rooms, once there is one."""
        if self._slow_worker is None or self._stopping:
            return
        slow = [one for one in self._workers if self._page.slot(one.number).slow]
        if slow:
            self._log.info("worker %d has a room that is too slow beside others", slow[0].pid)
            self._workers.append(self._slow_worker())
            self._slow_worker = None
            self._start(self._workers[-1])

    def _keep_time(self) -> None:
        now = self._clock()
        for worker in self._workers:
            if worker.stop_by is not None and worker.stop_by <= now:
                self._kill(worker, f"did not stop within {self._stop_s:g} s")
            if worker.start_at is not None and worker.start_at <= now:
                self._start(worker)

    def _stop(self, number: int) -> None:
        """Tell all to stop, and let go of the port: new connections are refused, not kept."""
        self._stopping = True
        self._listener.close()
        for worker in self._workers:
            worker.start_at = None
            worker.stop(number, self._clock() + self._stop_s)

    def _kill(self, worker: WorkerProcess, why: str) -> None:
        if worker.alive:
            self._log.warning("worker %d %s: killed; its journal is whole", worker.pid, why)
            worker.kill()

    def _ended(self, worker: WorkerProcess, status: int) -> None:
        """A worker's process has ended: that is its end, or another one is due."""
        # What it was working for when it died holds up no follower of that room.
        self._page.clear(worker.number)
        if self._stopping:
            self._statuses.append(_stopped_with(worker, status))
        elif worker.replacing or status == EXIT_RELOAD:
            if status == EXIT_RELOAD:
                self._watching.saved()
                self._replace_others(worker)
            self._restart(worker, status, 0.0)
        elif status == EXIT_STORE and self._served:
            self._restart(worker, status, STORE_RETRY_S)
        elif status in {EXIT_OK, EXIT_CONFIG, EXIT_STORE}:
            self._statuses.append(EXIT_CONFIG if status == EXIT_STORE else status)
            if others := sum(one.alive for one in self._workers):
                go_on = "1 other goes on" if others == 1 else f"{others} others go on"
                self._log.warning("worker %d ended for good; %s", worker.pid, go_on)
        else:
            self._died(worker, status)

    def _died(self, worker: WorkerProcess, status: int) -> None:
        now = self._clock()
        delay_s: float | None = 0.0
        # Who kills a worker that served does not mean its settings.
        if not (worker.convicted or (status == -signal.SIGKILL and worker.served)):
            delay_s = worker.backoff.died(now, now - worker.started)
        if delay_s is not None:
            self._restart(worker, status, delay_s)
            return
        times = f"worker {worker.number} died {DEATHS_MAX} times within {DEATHS_WINDOW_S:g} s"
        if any(one.serving for one in self._workers):
            self._log.error("%s; others serve, and it is tried again in %g s", times, REST_S)
            worker.backoff.forget()
            worker.start_at = now + REST_S
            return
        self._log.error("giving up: %s; what it last logged says why", times)
        self._statuses.append(EXIT_GAVE_UP)
        self._stop(signal.SIGTERM)

    def _restart(self, worker: WorkerProcess, status: int, delay_s: float) -> None:
        if worker.replacing or status == EXIT_RELOAD:
            self._log.info("worker %d has let go of the old rules; reloading", worker.pid)
        else:
            self._log.warning("worker %d %s; restarting", worker.pid, cause(status))
        worker.start_at = self._clock() + delay_s

    def _replace_others(self, reloaded: WorkerProcess) -> None:
        """All workers play by the same rules: who has the old ones is replaced."""
        for worker in self._workers:
            if worker is not reloaded and worker.alive and not worker.replacing:
                worker.replacing = True
                worker.stop(signal.SIGTERM, self._clock() + self._stop_s)


def _stopped_with(worker: WorkerProcess, status: int) -> int:
    """What a worker that was told to stop adds to the server's exit status."""
    if worker.killed:
        return EXIT_GAVE_UP
    # One told to stop before it listened for signals ended by the signal itself.
    if status == EXIT_OK or -status in PASSED_ON:
        return EXIT_OK
    return max(status, EXIT_GAVE_UP)


@contextlib.contextmanager
def _signals() -> Generator[socket.socket, None, None]:
    """Turn the signals that matter into bytes on a socket, each the number of one signal."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    watched = (*PASSED_ON, signal.SIGCHLD)
    # A signal needs a Python handler, even an empty one, for its number to be written.
    before = {number: signal.signal(number, _ignore) for number in watched}
    fd_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(fd_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _ignore(number: int, frame: FrameType | None) -> None:
    del number, frame
