"""A supervisor under test: a process of its own, with small scripts for workers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

# Runs a supervisor as a process of its own: argv is the delays and the worker's source.
SUPERVISOR = """
import logging, sys
from server.listening import listen
from server.restarts import Backoff
from server.supervisor import Supervisor
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
listener = listen("127.0.0.1", 0)
print("port", listener.getsockname()[1], flush=True)
delays = [float(delay) for delay in sys.argv[1].split(",")]
sys.exit(Supervisor(
    listener=listener, argv=[sys.executable, "-c", sys.argv[2]], stop_s=float(sys.argv[3]),
    log=logging.getLogger(), workers=int(sys.argv[4]), backoff=lambda: Backoff(delays),
    watchdog_s=float(sys.argv[5]), folders=[sys.argv[6]], slow_worker=sys.argv[7] == "True",
).run())
"""

# Every worker begins so: it takes over what it was handed, and speaks to the test by lines.
WORKER = """
import os, signal, sys, time
from server.settings import inherited_fds
from server.listening import adopt, say_serving
# One write a line: several workers share the pipe.
def say(*words): os.write(1, (" ".join(map(str, words)) + chr(10)).encode())
assert sys.argv[1] == "--worker"
inherited = inherited_fds(sys.argv[2])
"""

# Answers each connection with its pid; one that sends "die" kills it.
SERVE = (
    WORKER
    + """
listener = adopt(inherited)
say("serving", os.getpid())
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode() + b"\\n")
    if connection.recv(16) == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    connection.close()
"""
)


class Running:
    """A supervisor under test and the lines that it and its workers print."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.port = int(self.wait_for("port").split()[1])

    def wait_for(self, start: str) -> str:
        """Read lines until one begins with `start`; pytest's timeout bounds the wait."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith(start):
                return line.rstrip("\n")
        raise AssertionError(f"no line began with {start!r}: {self.lines}")

    def end(self) -> int:
        """Read the remaining lines and return the exit status."""
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)
        return self.process.wait()

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self.lines)


@contextlib.contextmanager
def supervised(
    worker: str,
    *,
    delays: str = "0",
    stop_s: float = 30.0,
    workers: int = 1,
    watchdog_s: float = 0.0,
    folder: str = "",
    slow_worker: bool = False,
) -> Generator[Running, None, None]:
    """Start a supervisor of games in `folder`; afterwards kill it, whereupon its worker ends."""
    numbers = [str(stop_s), str(workers), str(watchdog_s)]
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, delays, worker, *numbers, folder, str(slow_worker)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield Running(process)
        finally:
            process.kill()


def ask(port: int, message: bytes = b"hello") -> int:
    """Connect, read the pid of whoever serves, and send a message."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        with connection.makefile("rb") as reader:
            pid = int(reader.readline())
        connection.sendall(message)
        return pid


def is_gone(pid: int) -> bool:
    """Wait until no process has this pid; false when it outlives the wait."""
    for _ in range(500):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # A zombie in a container without an init is gone for our purpose.
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
            if fields.split()[0] == "Z":
                return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
