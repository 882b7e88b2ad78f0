"""What a supervisor does for its watchdog: looks at its workers, and ends one that is stuck.

A worker whose loop is silent for `watchdog_s` writes its stacks when it is sent a signal, even
while it loops in Python or in C; one that does not is stopped, or waits for the kernel, which is
no room's fault. Then its room is convicted, before it is killed: so no worker that sees it gone
takes that room over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from server.watch_page import Conviction, Mark, WatchPage
from server.watchdog import BEAT_SHARED_S, Hang, look_s, place_in_stack
from server.worker_process import WorkerProcess

STACK_WAIT_S: Final = 0.5
"""Writing stacks takes milliseconds; a process that has not by then does not run."""


class Watching:
    """The watchdog of one supervisor. `folders` are those of its games; `wall` seconds since 1970.

    watchdog_s: how long a worker's loop may be silent, in seconds; 0 watches nobody.
    tell: says to other machines in which room ("": none) a process is stuck, where they share a
    store; said again each `watchdog_s` as long as it is true.
    """

    def __init__(
        self,
        page: WatchPage,
        watchdog_s: float,
        folders: Collection[str],
        log: logging.Logger,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        tell: Callable[[str, str], None] | None = None,
    ) -> None:
        self._page = page
        self._watchdog_s = watchdog_s
        self._folders = folders
        self._log = log
        self._clock = clock
        self._wall = wall
        self._due_s = 0.0
        self._tell = tell
        self._told: dict[int, tuple[str, str, float]] = {}
        self._look_s = look_s(watchdog_s) if tell is None else BEAT_SHARED_S

    @property
    def due_s(self) -> float | None:
        """When the next look is due, on the supervisor's clock; None for never."""
        return self._due_s if self._watchdog_s else None

    def look(self, workers: Sequence[WorkerProcess]) -> None:
        """Look at all workers, if that is due."""
        now = self._clock()
        if not self._watchdog_s or now < self._due_s:
            return
        self._due_s = now + self._look_s
        for worker in workers:
            if worker.alive and not worker.killed:
                slot = self._page.slot(worker.number)
                hang = worker.watched.look(now, slot)
                self._tell_others(worker.number, slot.name, worker.watched.stuck, now)
                if hang is not None:
                    self._end(worker, hang)

    def _tell_others(self, number: int, name: str, stuck: Mark | None, now: float) -> None:
        """Say in which room a worker is stuck when that changes, and again before it is forgotten.

        What was said of one that is ended for it stays until it is forgotten.
        """
        if self._tell is None:
            return
        room = "" if stuck is None else stuck.room
        *told, told_s = self._told.get(number, (name, "", now))
        if [name, room] != told or (room and now - told_s > self._watchdog_s):
            self._told[number] = (name, room, now)
            self._tell(name, room)

    def begin(self, worker: WorkerProcess) -> None:
        """A worker's process was started."""
        worker.watch(self._watchdog_s, self._look_s)
        self._told.pop(worker.number, None)

    def saved(self) -> None:
        """The games' files were saved: rooms that were kept for that may be tried again."""
        self._page.pardon()

    def _end(self, worker: WorkerProcess, hang: Hang) -> None:
        if tracer := _tracer_of(worker.pid):
            self._log.warning(
                "worker %d is silent, but process %d debugs it: left alone", worker.pid, tracer
            )
            worker.watch(self._watchdog_s, self._look_s)
            return
        stack = worker.stack(STACK_WAIT_S)
        silent = f"worker {worker.pid} is silent for {hang.silent_s:.1f} s"
        if not stack:
            self._log.error("%s and does not run at all: killed; its rooms go on", silent)
        elif hang.mark is None:
            self._log.error("%s, in no room: killed; its rooms go on\n%s", silent, stack)
        else:
            conviction = self._convict(worker, hang.silent_s, hang.mark, stack)
            self._log.error(
                "%s in room %s, where %s: killed; the other rooms go on\n%s",
                silent,
                conviction.room,
                conviction.reason,
                stack,
            )
            worker.convicted = True
        worker.kill()

    def _convict(
        self, worker: WorkerProcess, silent_s: float, mark: Mark, stack: str
    ) -> Conviction:
        hook, place = place_in_stack(stack, self._folders)
        conviction = Conviction(
            room=mark.room,
            game=mark.game,
            hook=hook or mark.hook,
            place=place,
            owner=self._page.slot(worker.number).name,
            worker=worker.number,
            since_s=self._wall() - silent_s,
            silent_s=silent_s,
        )
        self._page.convict(conviction)
        return conviction


def _tracer_of(pid: int) -> int:
    """The process that debugs this one; 0 for none, or where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("TracerPid:")]
    return int(lines[0].split()[1]) if lines else 0
