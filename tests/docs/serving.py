"""A server process for the pages' tests: on a free port, stopped by its id."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests import evidence
from tests.docs.pages import ROOT

START_S = 30.0


class Served:
    """A running server; `port` is where, `log` what it wrote so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log: list[str] = []
        self._listening = threading.Event()
        self.port = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"playing at http://localhost:(\d+)", line)
            if found:
                self.port = int(found[1])
                self._listening.set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/play"

    def stop(self) -> None:
        """SIGTERM, and whatever it takes after half a minute."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def wait(self) -> None:
        """Return once it plays; fail with its log otherwise."""
        if not self._listening.wait(START_S):
            raise AssertionError("the server did not start:\n" + "".join(self.log))

    def get(self, path: str, method: str = "GET") -> bytes:
        """What a path answers, tried again while a worker is being restarted."""
        request = Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        for _ in range(50):
            try:
                with urlopen(request, timeout=10) as answer:
                    body: bytes = answer.read()
                    return body
            except (URLError, ConnectionError) as error:
                if isinstance(error, URLError) and hasattr(error, "code"):
                    raise
                time.sleep(0.1)
        raise AssertionError(f"{path} did not answer")

    def ask(self, path: str, method: str = "GET") -> Any:
        """What a path answers, as JSON."""
        return json.loads(self.get(path, method))

    def kill_worker(self) -> None:
        """SIGKILL to the process that plays; the supervisor starts another."""
        os.kill(self.ask("/api/status")["pid"], signal.SIGKILL)


@contextmanager
def serving(flags: Sequence[str], folder: Path) -> Generator[Served, None, None]:
    """`python -m server` with these flags, run in `folder`, on a free port."""
    command = [sys.executable, "-m", "server", *flags, "--port", "0", "--host", "127.0.0.1"]
    environ = {key: text for key, text in os.environ.items() if not key.startswith("HOLDFAST_")}
    environ |= {"PYTHONPATH": str(ROOT), "PORT": ""}
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    served = Served(process)
    try:
        with evidence.of_log(lambda: "".join(served.log)):
            served.wait()
            yield served
    finally:
        served.stop()
