"""A follower's copy of a room: rows that nobody steps, kept current by the room's news.

It takes only what fits: the next tick of its epoch, or a newer epoch that goes on from its tick.
Whatever else it hears that is not old makes it *behind*: somebody must read the journal for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum

from server.core.journal import JournalDamaged, follow_record
from server.core.ports import Publication
from server.core.versions import LeftAlone, check_rules
from server.store.base import Held, Record, Tail
from server.store.exchange import NewEpoch
from shared.limits import HISTORY_TICKS
from shared.match import PLAYER_TABLE, Match

RECENT_RECORDS = 64
"""Kept to bring back a journal's lost end: 3 s at 20 Hz; a store that syncs each second loses 2."""


STARTS_KEPT = 16
"""Owners that are remembered, for sessions that come back with what one of them said."""


class Heard(Enum):
    """What a piece of news came to, where it was no tick to show."""

    OLD = "known, or of an owner who is no more"
    EPOCH = "a new owner goes on from here"
    BEHIND = "something was missed"


class Replica:
    """A match as of a committed tick, the epoch it is under, and its newest records.

    `starts` are the epochs known of and their first ticks, rising.
    """

    def __init__(
        self,
        match: Match,
        epoch: int,
        tick: int,
        recent: tuple[Record, ...],
        starts: Sequence[tuple[int, int]] = (),
    ) -> None:
        assert match.tick == tick, (match.tick, tick)
        self.starts = list(starts)
        self.match = match
        self.epoch = epoch
        # How many owners in a row took the room and committed nothing: followers wait longer then.
        self.barren_epochs = 0
        self._left_alone: LeftAlone | None = None
        self._recent = deque(recent[-RECENT_RECORDS:], maxlen=RECENT_RECORDS)

    @property
    def tick(self) -> int:
        """The last tick taken in."""
        return self.match.tick

    def held(self) -> Held:
        """What this follower has, for taking over."""
        return Held(self.epoch, self.tick, tuple(self._recent))

    def take(self, news: Record | NewEpoch) -> Publication | Heard:
        """One piece of news: the tick it brought, or what it came to."""
        if news.epoch < self.epoch:
            return Heard.OLD
        if isinstance(news, NewEpoch):
            if news.epoch == self.epoch:
                return Heard.OLD
            if news.tick != self.tick:
                return Heard.BEHIND
            self._enter(news.epoch)
            return Heard.EPOCH
        if news.epoch == self.epoch and news.tick <= self.tick:
            return Heard.OLD
        if news.epoch > self.epoch or news.tick != self.tick + 1:
            return Heard.BEHIND
        return self._apply(news)

    def catch_up(self, tail: Tail) -> Iterator[Publication]:
        """Take in what was missed, tick by tick; `fits` says whether the copy is whole then.

        LeftAlone if the room went on by rules that this process may not take up.
        """
        if self._left_alone is not None:
            raise self._left_alone
        for record in tail.records:
            if record.tick == self.tick + 1 and record.epoch >= self.epoch:
                if record.epoch > self.epoch:
                    self._enter(record.epoch)
                yield self._apply(record)
        if self.fits(tail) and tail.epoch > self.epoch:
            self._enter(tail.epoch)

    def fits(self, tail: Tail) -> bool:
        """Whether this copy ends where the journal does."""
        return self.tick == tail.tick and self.epoch <= tail.epoch

    def _enter(self, epoch: int) -> None:
        self.epoch = epoch
        self.barren_epochs += 1

    def _apply(self, record: Record) -> Publication:
        try:
            commit, refused = follow_record(self.match, record.record)
            if commit.written is not None:
                check_rules(self.match, "")
        except LeftAlone as why:
            # The match is a tick ahead of what may be shown; nobody goes on with it.
            self._left_alone = why
            raise JournalDamaged(str(why)) from why
        except JournalDamaged:
            raise
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            # A whole record whose rows do not fit the game's: written by other rules.
            raise JournalDamaged(f"tick {record.tick} does not fit: {error}") from error
        self.barren_epochs = 0
        self._recent.append(record)
        if not self.starts or self.starts[-1][0] < record.epoch:
            self.starts.append((record.epoch, record.tick))
            del self.starts[:-STARTS_KEPT]
        gone = [n for c in self.match.history.newest if c.table == PLAYER_TABLE for n in c.gone]
        return Publication(commit, {}, refused, tuple(gone))


assert RECENT_RECORDS <= HISTORY_TICKS
