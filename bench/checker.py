"""The checker: whether a room's journal and what its players saw of it tell the same story.

`judge` is pure: a history comes in, a list of violations goes out. It folds the journal, record by
record, and at each tick compares the rows with what every client had on its screen then. What a
game lets be seen before it is committed (`journal_lag_ticks_max`) may be undone, and is judged only
by how far ahead it was. The chaos run, the failover bench, tests and the simulator use this; that
it finds what it should is tested with histories made wrong by hand (tests/bench/test_checker.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bench.history import Counts, RoomHistory, Seen, Witness
from server.core.fanout import visible_rows
from server.core.journal import apply_record, commit_of
from server.store.base import Record
from shared.digest import Layout, owned_digest, public_digest
from shared.errors import StoreError
from shared.match import Match


class Kind(StrEnum):
    """What can be wrong with a history."""

    HOLE = "a tick is missing in the journal"
    TWICE = "a tick was written twice"
    EPOCH = "an epoch fell along the journal"
    UNREADABLE = "a record cannot be folded"
    DIFFERENT = "a view differed from the journal"
    UNCOMMITTED = "a tick was seen before it was committed"
    FORGOTTEN = "a tick that was seen is not in the journal"
    BACK = "a client was sent back in time"
    ACK = "an input was acknowledged and not journaled"
    DOUBLED = "an input was applied twice"
    LOST = "an input was lost"
    ENDED = "a session was ended by the server"
    SEAT = "a session came back as somebody else"
    RECOVERED = "recovered rows differ from the journal"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be; `tick` and `player` are 0 where it concerns none."""

    kind: Kind
    room: str
    tick: int
    player: int
    what: str

    def __str__(self) -> str:
        who = f", player {self.player}" if self.player else ""
        return f"room {self.room}, tick {self.tick}{who}: {self.what}"


@dataclass(slots=True)
class _Taken:
    """What the journal says became of one player's items: all that came, and how each ended."""

    seq: int = 0
    applied: int = 0
    skipped: int = 0
    refused: int = 0
    """Inputs of ticks in which the game failed: refused with the reason, which clients count as
    skipped."""
    passed: int = 0
    """Items that were neither applied, nor skipped, nor refused: they carried no input, or a
    session jumped over them."""


def judge(history: RoomHistory) -> list[Violation]:
    """Everything in this history that must not be."""
    return list(_Judge(history).run())


def tally(violations: Iterable[Violation]) -> Counter[str]:
    """How often each kind of violation was found."""
    return Counter(violation.kind.value for violation in violations)


def rows_digest(match: Match) -> int:
    """CRC-32 of all rows of a committed match, the columns for the server's eyes included."""
    layout = Layout.of_match(match)
    layout.public = [list(table.kind._fields.items()) for table in match.tables]  # pyright: ignore[reportPrivateUsage]
    return public_digest(layout, [table.rows for table in match.tables])


def view_digest(match: Match, player: int) -> int:
    """CRC-32 of what this player (0: a spectator) sees of a committed match."""
    layout = Layout.of_match(match)
    tables = [table.rows for table in match.tables]
    if match.game.hides:
        seen = visible_rows(match, player)
        tables = [
            {number: row for number, row in rows.items() if number in seen[index]}
            for index, rows in enumerate(tables)
        ]
    return owned_digest(layout, tables, player, public_digest(layout, tables))


class _Judge:
    def __init__(self, history: RoomHistory) -> None:
        self._history = history
        self._match = history.begin()
        self._taken: dict[int, _Taken] = {}
        self._digests: dict[int, int] = {}
        self._whole = True
        self._lag = history.game.journal_lag_ticks_max

    def run(self) -> Iterator[Violation]:
        history = self._history
        first = self._match.tick
        records = yield from self._in_order()
        frames: dict[int, list[tuple[Witness, Seen]]] = defaultdict(list)
        for witness in history.witnesses:
            yield from self._alone(witness)
            for seen in witness.frames:
                if seen.tick <= seen.committed or not self._lag:
                    frames[seen.tick].append((witness, seen))
        self._note_inputs(self._match.tick)
        for record in records:
            try:
                apply_record(self._match, record.record)
            except (StoreError, LookupError, TypeError, ValueError) as error:
                what = f"its record cannot be folded, and nothing after it is judged: {error}"
                yield self._violation(Kind.UNREADABLE, record.tick, 0, what)
                self._whole = False
                break
            yield from self._inputs(record)
            yield from self._views(frames.get(record.tick, ()))
            yield from self._recovered()
        yield from self._forgotten(first, records, frames)
        if self._whole:
            for witness in history.witnesses:
                if witness.counts is not None and witness.player and not self._lag:
                    yield from self._ends(witness, witness.counts)
            yield from self._never_reached()

    def _in_order(self) -> Generator[Violation, None, list[Record]]:
        """Judge the journal's order; return the first write of each tick, up to the first hole."""
        records: list[Record] = []
        tick, epoch = self._match.tick, self._history.start.epoch if self._history.start else 0
        for record in self._history.writes:
            if record.epoch < epoch:
                what = f"epoch {record.epoch} follows epoch {epoch}"
                yield self._violation(Kind.EPOCH, record.tick, 0, what)
            if record.tick <= tick:
                what = f"it was written again, under epoch {record.epoch}, after tick {tick}"
                yield self._violation(Kind.TWICE, record.tick, 0, what)
                continue
            if record.tick != tick + 1:
                what = f"the record before it is that of tick {tick}"
                yield self._violation(Kind.HOLE, record.tick, 0, what)
                self._whole = False
            if self._whole:
                records.append(record)
            tick, epoch = record.tick, max(epoch, record.epoch)
        return records

    def _alone(self, witness: Witness) -> Iterator[Violation]:
        """What needs no journal: each client's frames go forward, in one seat."""
        for room, player in witness.seats[1:]:
            if (room, player) != witness.seats[0]:
                what = f"{witness.name} came back as player {player} of room {room}"
                yield self._violation(Kind.SEAT, 0, witness.player, what)
        if witness.end:
            last = witness.frames[-1].tick if witness.frames else 0
            what = f"{witness.name} was sent away: {witness.end}"
            yield self._violation(Kind.ENDED, last, witness.player, what)
        final = 0
        for seen in witness.frames:
            if seen.tick > seen.committed + self._lag:
                what = f"it was seen when tick {seen.committed} was the last committed"
                yield self._violation(Kind.UNCOMMITTED, seen.tick, witness.player, what)
            if seen.tick <= final:
                what = f"it was shown after tick {final}, which was committed"
                yield self._violation(Kind.BACK, seen.tick, witness.player, what)
            final = max(final, min(seen.tick, seen.committed))

    def _views(self, frames: Iterable[tuple[Witness, Seen]]) -> Iterator[Violation]:
        self._digests.clear()
        for witness, seen in frames:
            taken = self._taken.get(witness.player)
            if taken is not None and seen.ack > taken.seq:
                what = f"input {seen.ack} was acknowledged, the journal has {taken.seq}"
                yield self._violation(Kind.ACK, seen.tick, witness.player, what)
            if seen.crc is None:
                continue
            crc = self._view(witness.player)
            if seen.crc != crc:
                what = f"{witness.name} saw other rows ({seen.crc:08x}, not {crc:08x})"
                yield self._violation(Kind.DIFFERENT, seen.tick, witness.player, what)

    def _view(self, player: int) -> int:
        match = self._match
        key = player if match.game.hides or match.has_owned_columns else 0
        if key not in self._digests:
            self._digests[key] = view_digest(match, player)
        return self._digests[key]

    def _note_inputs(self, tick: int) -> None:
        """Players who were there before the first write: what they had done is not judged."""
        if tick:
            for row in self._match.players:
                self._taken[row.id] = _Taken(row.input_seq, row.inputs_applied, row.inputs_skipped)

    def _inputs(self, record: Record) -> Iterator[Violation]:
        """Each player's items of this tick: in order, one input applied at most, none twice."""
        refused = Counter(
            refusal.player
            for refusal in commit_of(record.record).refusals
            if refusal.part == 0 and refusal.reason != "skipped"
        )
        for row in self._match.players:
            taken = self._taken.setdefault(row.id, _Taken())
            came = row.input_seq - taken.seq
            applied = row.inputs_applied - taken.applied
            skipped = row.inputs_skipped - taken.skipped
            passed = came - applied - skipped - refused[row.id]
            if came < 0:
                what = f"its input seq fell from {taken.seq} to {row.input_seq}"
                yield self._violation(Kind.DOUBLED, record.tick, row.id, what)
            elif passed < 0 or not 0 <= applied <= 1 or skipped < 0:
                what = f"of {came} new inputs {applied} were applied and {skipped} skipped"
                yield self._violation(Kind.DOUBLED, record.tick, row.id, what)
            taken.seq, taken.applied = row.input_seq, row.inputs_applied
            taken.skipped = row.inputs_skipped
            taken.refused += refused[row.id]
            taken.passed += max(0, passed)

    def _ends(self, witness: Witness, counts: Counts) -> Iterator[Violation]:
        """What the client was told of its items against what the journal says became of them."""
        taken = self._taken.get(witness.player, _Taken())
        told: list[tuple[Kind, str]] = []
        if counts.waiting:
            told.append((Kind.LOST, f"{counts.waiting} inputs were never acknowledged"))
        if taken.seq + counts.waiting < counts.last_seq:
            told.append((Kind.LOST, f"the journal ends at {taken.seq} of {counts.last_seq} inputs"))
        if taken.applied < counts.applied:
            missing = counts.applied - taken.applied
            told.append((Kind.LOST, f"{missing} acknowledged inputs were not applied"))
        if taken.applied > counts.applied:
            more = taken.applied - counts.applied
            told.append((Kind.DOUBLED, f"{more} more inputs were applied than were acknowledged"))
        skipped = taken.skipped + taken.refused
        if skipped != counts.skipped:
            what = f"{skipped} inputs were skipped, the player was told of {counts.skipped}"
            told.append((Kind.LOST, what))
        if taken.passed > counts.bare:
            told.append((Kind.LOST, f"{taken.passed - counts.bare} inputs were passed over"))
        for kind, what in told:
            yield self._violation(kind, self._match.tick, witness.player, what)

    def _recovered(self) -> Iterator[Violation]:
        for one in self._history.recovered:
            if one.tick == self._match.tick and one.digest != rows_digest(self._match):
                yield self._violation(Kind.RECOVERED, one.tick, 0, f"{one.who} has other rows")

    def _never_reached(self) -> Iterator[Violation]:
        for one in self._history.recovered:
            if one.tick > self._match.tick:
                what = f"{one.who} has this tick, the journal ends at {self._match.tick}"
                yield self._violation(Kind.RECOVERED, one.tick, 0, what)

    def _forgotten(
        self, first: int, records: list[Record], frames: dict[int, list[tuple[Witness, Seen]]]
    ) -> Iterator[Violation]:
        """Ticks that were seen and are not there; beyond a hole nothing can be said."""
        written = {record.tick for record in self._history.writes}
        last = max(written, default=first)
        for tick in sorted(frames):
            if tick > first and tick not in written:
                what = f"it was seen, and is not in the journal, which ends at {last}"
                for witness, _ in frames[tick]:
                    yield self._violation(Kind.FORGOTTEN, tick, witness.player, what)

    def _violation(self, kind: Kind, tick: int, player: int, what: str) -> Violation:
        return Violation(kind, self._history.room, tick, player, what)
