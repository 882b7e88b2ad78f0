"""A server under test: a real `python -m server` in processes of its own, on a free port."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

from tests import evidence

ROOT = Path(__file__).resolve().parents[2]
GAMES = Path(__file__).resolve().parent / "games"
# The key of every server here, so that tests can sign tokens of their own.
SECRET = "a key for tests, known to every one of them"
# Nothing here takes this long; what does is broken.
PATIENCE_S = 20.0

T = TypeVar("T")


class Server:
    """A running server: a supervisor, its worker, and what both logged."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = int(until(self._listening)[1])
        until(lambda: self.get("/readiness_check")[0] == 200)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}"

    def log(self) -> str:
        """Everything both processes wrote to stderr and stdout."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of one request, on a connection of its own, the path sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.putrequest(method, path)
            for name, value in {"Content-Length": "0", **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read()

    def ask(self, path: str) -> Any:
        """The JSON that a path answers with."""
        status, body = self.get(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def rooms(self, game: str | None = None) -> list[dict[str, Any]]:
        """The public rooms, as the lobby lists them."""
        listed: list[dict[str, Any]] = self.ask("/api/rooms")["rooms"]
        return [room for room in listed if game in (None, room["game"])]

    def metrics(self) -> dict[str, float]:
        """Every gauge and counter, without its prefix; histograms with their labels."""
        status, body = self.get("/metrics")
        assert status == 200
        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        pairs = (line.rsplit(" ", 1) for line in lines)
        return {name.removeprefix("holdfast_"): float(value) for name, value in pairs}

    def worker(self) -> int:
        """The worker's process id."""
        pid: int = self.ask("/api/status")["pid"]
        assert pid != self.process.pid
        return pid

    def kill_worker(self) -> int:
        """SIGKILL the worker, and wait until the next one answers; the dead one's process id."""
        pid = self.worker()
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.worker() != pid)
        return pid

    def stop(self) -> int:
        """Tell the server to stop, as platforms do, and wait; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def _listening(self) -> re.Match[str] | None:
        assert self.process.poll() is None, f"exit {self.process.returncode}: {self.log()}"
        return re.search(r"listening on \S+:(\d+)", self.log())


def command(*flags: str) -> list[str]:
    """How a server is started."""
    return [sys.executable, "-m", "server", "--host", "127.0.0.1", "--secret", SECRET, *flags]


def environment() -> dict[str, str]:
    """This process's environment without settings of Holdfast's own; the tree can be imported."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_") and k != "PORT"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def serve(folder: Path, *flags: str) -> Generator[Server, None, None]:
    """Run a server in `folder`, on any free port and with a store there unless flags say else.

    What is still alive at the end is killed: the supervisor by its id, whereupon its worker ends.
    """
    given = {flag.partition("=")[0] for flag in flags}
    usual = {"--port": "0", "--store": f"sqlite:{folder}/holdfast.db", "--drain-s": "5"}
    usual["--workers"] = "1"
    extra = [part for flag, value in usual.items() if flag not in given for part in (flag, value)]
    log = folder / f"server-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*extra, *flags),
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            with evidence.of_log(lambda: log.read_text(encoding="utf-8", errors="replace")):
                yield Server(process, log)
        finally:
            process.kill()


def refused(folder: Path, *flags: str) -> tuple[int, list[str]]:
    """Start a server that is not expected to run; its exit status and the lines it left."""
    extra = [] if any(flag.startswith("--port") for flag in flags) else ["--port", "0"]
    ended = subprocess.run(
        command(*extra, *flags),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    lines = (ended.stdout + ended.stderr).splitlines()
    # What the supervisor does on the way is told with the time of day before it.
    return ended.returncode, [line for line in lines if not re.match(r"\d\d:\d\d:\d\d INFO ", line)]


def until(found: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """What `found` returns once it is true; a refused connection counts as not yet."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            value = found()
        except (OSError, http.client.HTTPException):
            value = None
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
