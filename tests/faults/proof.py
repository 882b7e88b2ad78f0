"""The table of faults in docs/PROOF.md: what was broken, where, and which test noticed."""

from __future__ import annotations

from tests.faults.faults import FAULTS
from tests.faults.tree import ROOT

PROOF = ROOT / "docs" / "PROOF.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def table() -> str:
    """The table as Markdown."""
    lines = ["| fault | in | noticed by |", "|---|---|---|"]
    for fault in FAULTS:
        file, _, test = fault.test.partition("::")
        noticed = f"`{file}`" + (f" `{test}`" if test else "")
        lines.append(f"| {fault.name} | `{fault.file}` | {noticed} |")
    return "\n".join(lines)


def written() -> str:
    """The table as the document has it."""
    _, _, rest = PROOF.read_text(encoding="utf-8").partition(BEGIN)
    found, _, _ = rest.partition(END)
    return found.strip()


def write() -> None:
    """Put the table into the document."""
    text = PROOF.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PROOF.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
