"""A swarm's status line: one that rewrites itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .swarm import Progress


class Status:
    """Shows progress on a stream until it is closed; rates are those since the last time."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._last: Progress | None = None
        self._live: Live | None = None
        if stream.isatty():
            console = Console(file=stream)
            self._live = Live(console=console, auto_refresh=False, transient=False)
            self._live.start()

    def show(self, progress: Progress) -> None:
        """Show how things stand now."""
        text = line(progress, self._last)
        self._last = progress
        if self._live is None:
            print(text, file=self._stream, flush=True)
        else:
            bad = progress.divergence or progress.troubles
            self._live.update(Text(text, style="yellow" if bad else "green"), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def line(now: Progress, before: Progress | None) -> str:
    """One line on how things stand, with frames and inputs a second since `before`."""
    span_s = now.seconds - (before.seconds if before else 0.0)
    per_s = 1 / span_s if span_s > 0 else 0.0
    frames = (now.frames - (before.frames if before else 0)) * per_s
    inputs = (now.inputs - (before.inputs if before else 0)) * per_s
    text = (
        f"{now.seconds:7.1f} s  {now.seated}/{now.count} seated in {count(now.rooms, 'room')}  "
        f"{frames:,.0f} frames/s  {inputs:,.0f} inputs/s"
    )
    if now.troubles:
        text += f"  {count(now.troubles, 'trouble')}"
    if now.divergence:
        text += "  1 view differs" if now.divergence == 1 else f"  {now.divergence} views differ"
    return text


def count(number: int, what: str) -> str:
    """So many of something, as in `1 room` and `2 rooms`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
