"""Every command explains itself: --help has its own usage, and a sentence for each option."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.end_to_end.server import ROOT, environment

COMMANDS = [
    "server",
    "server processes",
    "server move",
    "bots",
    "bots play",
    "bots swarm",
    "bench",
    "bench.chaos",
    "bench.cluster",
    "bench.failover",
    "bench.failover_replica",
    "bench.feel",
    "bench.framing",
    "bench.push",
    "bench.renewals",
    "bench.store",
]


def explained(text: str) -> dict[str, str]:
    """What a help says of each flag and argument, by how it is written."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("  ") and line[2:3].strip():
            name, _, said = line.strip().partition("  ")
            found[name] = said.strip()
        elif line.startswith(" " * 20) and name:
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            name = ""
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(command: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *command.split(), "--help"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    usage, _, rest = ended.stdout.partition("\n\n")
    assert re.match(rf"usage: python -m {command}\b", usage), usage
    # A sentence on what it does, before the options.
    assert re.match(r"[A-Z`].*\.", rest, re.DOTALL), rest
    options = rest[min(rest.find(word) for word in ("options:", "positional") if word in rest) :]
    said = explained(options)
    assert any(name.startswith("-h") for name in said)
    assert not [name for name, words in said.items() if len(words.split()) < 2], said


def test_an_option_without_a_word_would_be_found() -> None:
    """The control: this is how argparse shows one."""
    assert explained("options:\n  --json\n  --seed SEED  what goes wrong\n") == {
        "--json": "",
        "--seed SEED": "what goes wrong",
    }
