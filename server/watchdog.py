"""The watchdog's judgement: which worker's loop has been silent for too long, and for which room.

Pure: time is an argument, and so is what the workers' slots of the shared page say. The supervisor
looks several times a second and does what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.watch_page import Mark, Slot

BEAT_S: Final = 0.1
"""How often a worker's loop says that it turns."""
BEAT_SHARED_S: Final = 0.02
"""The same where other machines follow its rooms, and the looks of its supervisor there.

They take a room over after 0.15 s of silence, of which 0.1 s may be left when a hang begins: the
worker is marked as stuck in it before.
"""
STUCK_S: Final = 0.05
LOOKS: Final = 20
"""The supervisor looks so many times in the time a worker may be silent."""
LOOK_MIN_S: Final = 0.05
LOOK_MAX_S: Final = 0.5
# A supervisor that was stopped itself, or whose machine slept, did not watch meanwhile.
UNWATCHED_LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class Hang:
    """A worker whose loop does not turn; `mark` is the room it was in for most of that time."""

    silent_s: float
    mark: Mark | None


class Watched:
    """One worker's process as the watchdog has it; a new process needs a new one."""

    def __init__(self, watchdog_s: float, look_every_s: float | None = None) -> None:
        self._limit_s = watchdog_s
        self._unwatched_s = UNWATCHED_LOOKS * (look_every_s or look_s(watchdog_s))
        # The room that it has been in for the whole of a silence that is too short to hang.
        self.stuck: Mark | None = None
        self._beats = 0
        self._looked_s: float | None = None
        self._silent_s = 0.0
        self._in_s: dict[Mark | None, float] = {}

    def look(self, now_s: float, slot: Slot) -> Hang | None:
        """What the slot says now, of which a hang follows, or not yet."""
        before_s, self._looked_s = self._looked_s, now_s
        # A worker that has not begun to beat loads its games: its supervisor has no opinion.
        if before_s is None or slot.beats != self._beats or slot.beats == 0 or slot.traced:
            self._beats, self._silent_s = slot.beats, 0.0
            self._in_s.clear()
            self.stuck = None
            return None
        passed_s = min(now_s - before_s, self._unwatched_s)
        self._silent_s += passed_s
        self._in_s[slot.mark] = self._in_s.get(slot.mark, 0.0) + passed_s
        alone = len(self._in_s) == 1 and self._silent_s >= STUCK_S
        self.stuck = slot.mark if alone else None
        if self._silent_s < self._limit_s:
            return None
        most = max(self._in_s, key=lambda mark: self._in_s[mark])
        # Many rooms that are slow together are no single room's fault.
        guilty = self._in_s[most] > self._silent_s / 2 and most == slot.mark
        return Hang(self._silent_s, most if guilty else None)


def look_s(watchdog_s: float) -> float:
    """Seconds from one look to the next."""
    return min(max(watchdog_s / LOOKS, LOOK_MIN_S), LOOK_MAX_S)


def place_in_stack(stack: str, folders: Collection[str]) -> tuple[str, str]:
    """Function and line of the game a process is in, as `("step", "walk.py:24")`; two "" if none.

    `stack` is what faulthandler wrote, innermost frame first. The line is the innermost one in the
    `folders` of the games; the function is the outermost, which is the hook the server called.
    """
    frames: list[tuple[str, str, str]] = re.findall(
        r'^  File "(.*)", line (\d+) in (.*)$', stack, re.MULTILINE
    )
    own = [frame for frame in frames if str(Path(frame[0]).parent) in folders]
    if not own:
        return "", ""
    file, line, _ = own[0]
    return own[-1][2], f"{Path(file).name}:{line}"
