"""Keeps one worker process alive behind a listening socket that outlives it.

The supervisor binds the port and never accepts. Its worker inherits the socket and serves; when
the worker dies, connections wait in the socket's backlog until the next one takes them, instead
of being refused. A pipe, the lifeline, ties the worker to the supervisor: its writing end closes
when the supervisor dies, however it dies, and the worker ends itself.

    supervisor --- listener (bound here, accepted there) ---> worker
               --- lifeline (nothing is ever written) ------>
               --- SIGTERM, SIGINT (passed on) ------------->

POSIX only: Windows hands down no descriptors by number.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from types import FrameType

from server.config import Config
from server.settings import Inherited
from shared.errors import ConfigError

# Connections that wait while a worker starts; the kernel lowers it to its own limit.
BACKLOG = 4096
# A worker that lived this long had started well: its death is a new story.
LIVED_S = 5.0
# A worker that keeps dying at once will not be healed by the eleventh try.
DEATHS_MAX = 10
DEATHS_WINDOW_S = 30.0
# Delays before restarts after quick deaths in a row; the last one repeats.
BACKOFF_S = (0.0, 0.1, 0.5, 1.0)
# Beyond its drain a worker needs a moment to close its store.
STOP_MARGIN_S = 3.0

EXIT_OK = 0
EXIT_GAVE_UP = 1
# Settings or the store are wrong: starting again changes nothing.
EXIT_CONFIG = 2

# The worker asks to be started again, with the game as it was saved just now.
EXIT_RELOAD = 3
# A worker that lived this long was serving; who kills it then does not mean its settings.
SERVED_S = 1.0

PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def supervise(config: Config, argv: Sequence[str], log: logging.Logger) -> int:
    """Bind, keep a worker alive, and return the exit status of the whole server.

    `argv` is the whole command of a worker, interpreter included; `--worker LISTENER,LIFELINE`
    is added to it. Raises `ConfigError` when the address cannot be bound or assertions are off.
    """
    require_assertions()
    listener = listen(config.host, config.port)
    try:
        log.info("listening on %s", describe(listener))
        stop_s = config.drain_s + STOP_MARGIN_S
        return Supervisor(listener=listener, argv=argv, stop_s=stop_s, log=log).run()
    finally:
        listener.close()


def require_assertions() -> None:
    """Raise `ConfigError` under `python -O`: invariants are asserted and must stay on."""
    if sys.flags.optimize:
        raise ConfigError(
            "python -O (or PYTHONOPTIMIZE) turns assertions off, and Holdfast's invariants are "
            "assertions; start it without"
        )


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; raise `ConfigError` naming the flag that changes what is in the way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except PermissionError:
        problem = f"--port {port}: this user may not bind it; give a port of 1024 or more"
    except socket.gaierror:
        problem = f"--host {host}: no such address; give 0.0.0.0, 127.0.0.1 or an address of yours"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = (
                f"--port {port}: another program listens there; end it, or choose another with "
                "--port (or HOLDFAST_PORT)"
            )
        else:
            reason = os.strerror(error.errno) if error.errno else str(error)
            problem = f"--host {host} --port {port}: {reason}; give an address of this machine"
    raise ConfigError(problem)


def describe(listener: socket.socket) -> str:
    """Name the address a socket listens on, as in `0.0.0.0:8080` or `[::]:8080`."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def adopt(inherited: Inherited) -> socket.socket:
    """In the worker: take the listening socket, and end this process when its supervisor does."""
    for fd in inherited:
        os.set_inheritable(fd, False)
    threading.Thread(
        target=_die_with, args=(inherited.lifeline,), name="lifeline", daemon=True
    ).start()
    return socket.socket(fileno=inherited.listener)


class Backoff:
    """Decides whether and when a dead worker is started again; knows no clock of its own."""

    def __init__(self, delays_s: Sequence[float] = BACKOFF_S) -> None:
        self._delays_s = tuple(delays_s)
        self._deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        self._quick = 0

    def died(self, now: float, lived_s: float) -> float | None:
        """Return the delay before the next start, in seconds, or None to give up."""
        if lived_s > LIVED_S:
            self._deaths.clear()
            self._quick = 0
        self._deaths.append(now)
        if len(self._deaths) == DEATHS_MAX and now - self._deaths[0] <= DEATHS_WINDOW_S:
            return None
        delay_s = self._delays_s[min(self._quick, len(self._delays_s) - 1)]
        self._quick += 1
        return delay_s


class Supervisor:
    """One listening socket and the worker behind it.

    stop_s: how long a worker that was told to stop may take, in seconds, before SIGKILL.
    """

    def __init__(
        self,
        *,
        listener: socket.socket,
        argv: Sequence[str],
        stop_s: float,
        log: logging.Logger,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._argv = tuple(argv)
        self._stop_s = stop_s
        self._log = log
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._stop_by: float | None = None
        self._killed = False

    def run(self) -> int:
        """Start workers until one ends for good; return the exit status. Main thread only."""
        with contextlib.ExitStack() as stack:
            signals = stack.enter_context(_signals())
            lifeline, held = os.pipe()
            stack.callback(os.close, lifeline)
            stack.callback(os.close, held)
            while True:
                started = self._clock()
                worker = self._start(lifeline)
                status = self._watch(worker, signals)
                if (final := self._final(status)) is not None:
                    return final
                now = self._clock()
                delay_s: float | None = 0.0
                if not (_from_outside(status) and now - started > SERVED_S):
                    delay_s = self._backoff.died(now, now - started)
                if delay_s is None:
                    self._log.error(
                        "giving up: the worker died %d times within %g s; what it last logged "
                        "says why",
                        DEATHS_MAX,
                        DEATHS_WINDOW_S,
                    )
                    return EXIT_GAVE_UP
                self._log.warning("worker %d %s; restarting", worker.pid, _cause(status))
                if self._told_to_stop_within(delay_s, signals):
                    return EXIT_OK

    def _start(self, lifeline: int) -> subprocess.Popen[bytes]:
        listener = self._listener.fileno()
        # In a group of its own the worker gets Ctrl-C once, from here, and not from the terminal.
        worker = subprocess.Popen(
            [*self._argv, "--worker", f"{listener},{lifeline}"],
            stdin=subprocess.DEVNULL,
            pass_fds=(listener, lifeline),
            process_group=0,
        )
        self._log.info("worker started: pid %d", worker.pid)
        return worker

    def _watch(self, worker: subprocess.Popen[bytes], signals: socket.socket) -> int:
        """Pass signals on until the worker has ended; return its status as Popen gives it."""
        while (status := worker.poll()) is None:
            timeout_s = None
            if self._stop_by is not None:
                timeout_s = max(0.0, self._stop_by - self._clock())
                if timeout_s == 0.0:
                    self._kill(worker, f"did not stop within {self._stop_s:g} s")
                    timeout_s = None
            for number in _wait(signals, timeout_s):
                if number == signal.SIGINT and self._stop_by is not None:
                    self._kill(worker, "was interrupted twice")
                elif number in PASSED_ON:
                    worker.send_signal(number)
                    self._stop_by = self._stop_by or self._clock() + self._stop_s
        return status

    def _kill(self, worker: subprocess.Popen[bytes], why: str) -> None:
        self._log.warning("worker %d %s: killed; its journal is whole", worker.pid, why)
        worker.kill()
        self._killed = True
        # The kill cannot be refused, so there is no further deadline.
        self._stop_by = float("inf")

    def _final(self, status: int) -> int | None:
        """The exit status of the server when a worker's end is its end, else None."""
        if status in {EXIT_OK, EXIT_CONFIG}:
            return status
        if self._stop_by is None:
            return None
        if self._killed:
            return EXIT_GAVE_UP
        # A worker told to stop before it listened for signals ended by the signal itself.
        return EXIT_OK if -status in PASSED_ON else max(status, EXIT_GAVE_UP)

    def _told_to_stop_within(self, delay_s: float, signals: socket.socket) -> bool:
        deadline = self._clock() + delay_s
        while True:
            left_s = max(0.0, deadline - self._clock())
            if any(number in PASSED_ON for number in _wait(signals, left_s)):
                return True
            if left_s == 0.0:
                return False


def _from_outside(status: int) -> bool:
    """Whether the worker's end says nothing against starting it again at once."""
    return status in {-signal.SIGKILL, EXIT_RELOAD}


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


def _wait(signals: socket.socket, timeout_s: float | None) -> bytes:
    """Wait for signals, at most `timeout_s` (None or infinite: for as long as it takes)."""
    if timeout_s == float("inf"):
        timeout_s = None
    if not select.select([signals], [], [], timeout_s)[0]:
        return b""
    return signals.recv(256)


def _die_with(lifeline: int) -> None:
    # Nothing is ever written: reading returns when the last writing end is closed.
    os.read(lifeline, 1)
    os.write(2, b"holdfast: the supervisor is gone, so this worker ends too\n")
    os._exit(EXIT_GAVE_UP)


def _cause(status: int) -> str:
    if status >= 0:
        return f"exited with {status}"
    try:
        return f"died by {signal.Signals(-status).name}"
    except ValueError:
        return f"died by signal {-status}"
