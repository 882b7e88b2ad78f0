"""The client that was written from the two pages alone plays with a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.docs.serving import Served, serving

CLIENT = ROOT / "examples" / "plain_client.py"
SECONDS = 6


def play(served: Served, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(CLIENT), served.url, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def counts(process: subprocess.Popen[str]) -> dict[str, int]:
    output, _ = process.communicate(timeout=SECONDS + 30)
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+),", output)}


def test_it_imports_nothing_of_ours() -> None:
    text = CLIENT.read_text(encoding="utf-8")
    assert not re.search(
        r"^\s*(from|import) (shared|server|bots|games|holdfast)", text, re.MULTILINE
    )
    assert len(text.splitlines()) < 210


@pytest.mark.slow
def test_it_plays_and_sees_what_the_server_sees(tmp_path: Path) -> None:
    with serving(["--store", "memory:", "--digest-ticks", "10"], tmp_path) as served:
        client = play(served, SECONDS)
        found = counts(client)
    assert client.returncode == 0, found
    assert found["divergence"] == 0
    assert found["digests"] >= 5
    assert found["coins"] > 0
    assert found["resumes"] == 0


@pytest.mark.slow
def test_it_resumes_when_the_server_is_killed(tmp_path: Path) -> None:
    flags = ["--store", "sqlite:var/rooms.db", "--digest-ticks", "10"]
    with serving(flags, tmp_path) as served:
        client = play(served, SECONDS)
        before = first_room(served)
        served.kill_worker()
        found = counts(client)
        after = first_room(served)
    assert client.returncode == 0, found
    assert found["resumes"] >= 1
    assert found["divergence"] == 0
    assert found["digests"] > 0
    assert after[0] == before[0]
    assert after[1] > before[1]


def first_room(served: Served) -> tuple[str, int]:
    """The first room's id and tick, once it has gone 20 ticks."""
    for _ in range(200):
        rooms = served.ask("/api/rooms")["rooms"]
        if rooms and rooms[0]["tick"] >= 20:
            return rooms[0]["room"], rooms[0]["tick"]
        time.sleep(0.05)
    raise AssertionError("no room has gone 20 ticks")
