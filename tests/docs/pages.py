"""The pages of docs/ as their tests read them: fenced blocks, and tables by heading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what stands behind it (`hex JOIN`), its line and its text."""

    language: str
    title: str
    line: int
    text: str

    @property
    def file(self) -> str | None:
        """The file that the first line names: `# walk.py`, `# walk.py, continued`."""
        found = re.match(r"(?:#|//|<!--) ([\w./-]+\.\w+)(?:, continued)?(?: -->)?\n", self.text)
        return found[1] if found else None


def page(name: str) -> str:
    """The text of docs/NAME, or of a file at the root."""
    path = ROOT / "docs" / name
    return (path if path.exists() else ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Every fenced block, in order."""
    found: list[Block] = []
    opened: tuple[str, str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif opened is None:
            language, _, title = line[3:].partition(" ")
            opened, lines = (language, title, number), []
        else:
            found.append(Block(*opened, "\n".join(lines) + "\n"))
            opened = None
    assert opened is None, f"a block does not end: {opened}"
    return found


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head; cells without backticks."""
    _, _, section = text.partition(f"\n{heading}\n")
    assert section, f"the page has no heading {heading!r}"
    rows: list[list[str]] = []
    for line in section.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]
