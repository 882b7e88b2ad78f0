"""Text from outside made fit for a terminal: one line, and nothing that acts on the terminal."""

from __future__ import annotations

import unicodedata

# What stands for a character that is not shown.
HIDDEN = "·"


def plain(value: object, most: int = 40) -> str:
    """A value as text of at most `most` characters, shown as it is or, where it acts, as a dot.

    Terminals obey control characters, and text turned around by formatting ones misleads.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    shown = "".join(
        " " if letter.isspace() else HIDDEN if unicodedata.category(letter)[0] == "C" else letter
        for letter in str(value)
    )
    return shown if len(shown) <= most else shown[: most - 1] + "…"
