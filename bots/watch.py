"""What is remembered of a bot that is being watched: how its frames come, and what happened."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from shared.messages import Status
from shared.schema import EVENT_TABLE, PLAYER_TABLE_KIND
from shared.session import Outcome
from shared.view import Changes

from .bot import Bot
from .clock import Clock
from .plain import plain

LINES_KEPT = 200


@dataclass(slots=True)
class Entry:
    """A line of the log; what happens again at once is counted, not repeated."""

    tick: int
    text: str
    times: int = 1


class Watch:
    """Watches a bot from when it is made until `end`. Times are in seconds."""

    def __init__(self, bot: Bot, clock: Clock) -> None:
        self.bot = bot
        self.gap_s = 0.0
        self.gap_max_s = 0.0
        self.log: deque[Entry] = deque(maxlen=LINES_KEPT)
        self._clock = clock
        self._framed_s: float | None = None
        self._stood = ""
        bot.watcher = self

    @property
    def standing(self) -> str:
        """Where the session stands; where it is live, where its room stands."""
        session = self.bot.session
        if session.state == "live" and session.status is not Status.LIVE:
            return session.status.name.lower()
        return str(session.state)

    def end(self) -> None:
        """Watch no more."""
        if self.bot.watcher is self:
            self.bot.watcher = None

    def framed(self, outcome: Outcome) -> None:
        """Note how long the frame took to come, and what it changed."""
        now = self._clock.now()
        if self._framed_s is not None:
            self.gap_s = now - self._framed_s
            self.gap_max_s = max(self.gap_max_s, self.gap_s)
        self._framed_s = now
        self.look()
        if outcome.changes is not None:
            self._tell_changes(outcome.changes)
        for seq, part, reason in outcome.refusals:
            what = f"action {part} of input {seq} refused" if part else f"input {seq}"
            self._tell(f"{what}: {plain(reason)}")

    def troubled(self, code: int, reason: str) -> None:
        """Note what ended a socket."""
        self._tell(f"socket lost: {plain(reason, 80)} ({code})")
        self.look()

    def look(self) -> None:
        """Note where the session stands, if that is news."""
        standing = self.standing
        if standing != self._stood:
            self._tell(f"the session is {standing}")
            self._stood = standing

    def _tell(self, text: str) -> None:
        view = self.bot.session.view
        last = self.log[-1] if self.log else None
        if last is not None and last.text == text:
            last.times += 1
            last.tick = view.tick if view else 0
        else:
            self.log.append(Entry(view.tick if view else 0, text))

    def _tell_changes(self, changes: Changes) -> None:
        schema, view = self.bot.session.schema, self.bot.session.view
        assert schema is not None
        assert view is not None
        kinds = {table.name: table.kind for table in schema.tables}
        counts: dict[str, Counter[str]] = {}
        for sign, some in (("+", changes.added), ("-", changes.removed), ("?", changes.hidden)):
            for table, row in some:
                if sign == "+" and kinds[table] == EVENT_TABLE:
                    self._tell(_event(table, row, {p.id: p.name for p in view.players}))
                elif kinds[table] == PLAYER_TABLE_KIND and sign != "?":
                    self._tell(f"{plain(row.name)} {'came' if sign == '+' else 'left'}")
                elif kinds[table] != EVENT_TABLE:
                    counts.setdefault(table, Counter())[sign] += 1
        for table, signs in counts.items():
            self._tell(f"{table} " + " ".join(f"{sign}{count}" for sign, count in signs.items()))


def _event(table: str, row: Any, names: dict[int, str]) -> str:
    fields = [name for kind in reversed(type(row).__mro__) for name in _slots(kind)]
    values = [f"{name}={plain(getattr(row, name), 24)}" for name in fields]
    who = [f"by {plain(names[row.owner])}"] if row.owner in names else []
    return " ".join([table, *values, *who])


def _slots(kind: type[Any]) -> list[str]:
    return [name for name in getattr(kind, "__slots__", ()) if name not in ("id", "owner")]
