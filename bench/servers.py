"""The servers under measurement, as real processes on loopback, ended by their id."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
START_S = 15.0


@contextlib.contextmanager
def holdfast(*flags: str, root: Path = ROOT) -> Generator[tuple[int, int], None, None]:
    """A server of the tree at `root`, with a journal in a temporary SQLite file.

    Yields its port and its worker's pid.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "server", "--port", str(port)]
        command += ["--store", f"sqlite:{folder}/bench.db", "--log-level", "error"]
        command += ["--connections-max", "100000", "--connections-per-address-max", "100000"]
        process = subprocess.Popen([*command, *flags], cwd=root)
        try:
            yield port, _worker_pid(port)
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def bare_node(frame_bytes: int, seats: int, hz: int) -> Generator[tuple[int, int], None, None]:
    """The bare Node `ws` loop of peers/bare.cjs; yields (port, pid)."""
    port = free_port()
    script = HERE / "peers" / "bare.cjs"
    arguments = [str(port), str(frame_bytes), str(seats), str(hz)]
    process = subprocess.Popen(
        ["node", str(script), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the Node peer did not start; 'npm ci' brings what it needs")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def why_no_node() -> str | None:
    """Why the Node peer cannot run here, None when it can."""
    if shutil.which("node") is None:
        return "there is no Node on the PATH"
    if not (ROOT / "node_modules" / "ws").is_dir():
        return "node_modules has no ws; 'npm ci' brings it"
    return None


def load_generator(folder: str) -> str | None:
    """The load generator, compiled into `folder`; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = f"{folder}/load"
    subprocess.run([compiler, "-O2", "-o", program, str(HERE / "load.c")], check=True)
    return program


def load(program: str, port: int, pid: int, *flags: str) -> dict[str, float]:
    """What the load generator printed."""
    command = [program, "--port", str(port), "--pid", str(pid), *flags]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _worker_pid(port: int) -> int:
    give_up = time.monotonic() + START_S
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/status", timeout=2) as answer:
                return int(json.load(answer)["pid"])
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
