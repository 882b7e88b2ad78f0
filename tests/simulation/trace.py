"""The trace of a run: everything that was drawn and done, as one hash, and as counts by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b


class Trace:
    """What happened, in order. Two runs of a seed have the same `digest`, or the world leaks.

    With `lines`, the text is kept as well, to be read beside a failure.
    """

    def __init__(self, now: Callable[[], float], *, lines: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.lines: list[str] | None = [] if lines else None
        self._now = now
        self._hash = blake2b(digest_size=16)

    def note(self, kind: str, what: str) -> None:
        """Something happened; it is counted by its kind."""
        self.counts[kind] += 1
        self.log(f"{kind} {what}")

    def log(self, line: str) -> None:
        """Something happened that is not worth a count."""
        text = f"{self._now():.6f} {line}\n"
        self._hash.update(text.encode())
        if self.lines is not None:
            self.lines.append(text)

    @property
    def digest(self) -> str:
        """The hash of everything so far."""
        return self._hash.hexdigest()
