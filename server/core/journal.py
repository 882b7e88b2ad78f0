"""Records and checkpoints: a match's ticks as checksummed bytes, and a match rebuilt from them.

```
record     = CRC-32 (u32, little endian) | msgpack body
body       = [format, tick, [n, public], [[player, n, owned] ...], [n, server], refusals,
              away, written]
checkpoint = the same for the delta from nothing, with [[tick, refusals] ...] in the place of away
refusals   = [[player, seq, part, reason] ...]
away       = [[nonce, reason, code] ...], the code of a `JoinRefusal`; without it, 0
written    = [version of the rules, schema with hidden fields]
```
n counts the chunks in the bytes that follow it. The public part is contiguous, so that a follower
sends it on as it is. Who was turned `away` is for the edges that asked for a seat.

A record says how it is `written` where the one before was written otherwise, or there was none; it
then has every row, whole. A checkpoint always says it. So whatever is read is read with the fields
it was written with, and between two schemas there is always a record that begins anew. A record of
neither ends after its refusals, one without `written` after `away`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from shared.chunks import array_head, pack, unpack_stored
from shared.columns import is_list
from shared.entities import OWNER_BIT
from shared.errors import StoreError
from shared.game import Game
from shared.history import Refusal
from shared.inputs import Options
from shared.limits import HISTORY_TICKS
from shared.match import NOTHING, PLAYER_TABLE, Chunks, Commit, Match
from shared.schema import parse
from shared.tables import OWNED
from shared.view import View

from .seating import JoinRefusal, RefusalCode
from .versions import LeftAlone

FORMAT = 1
# What stands before and after the tick in the record of one in which nothing happened.
_QUIET_HEAD = array_head(6) + pack(FORMAT)
_QUIET_REST = b"".join(map(pack, ([0, b""], [], [0, b""], [])))


class JournalDamaged(StoreError):
    """Stored bytes are not what was written."""


def encode_record(commit: Commit, turned_away: Mapping[bytes, JoinRefusal] | None = None) -> bytes:
    """One tick's record, and the joins it refused, by nonce."""
    if commit.empty and not turned_away:
        packed = _QUIET_HEAD + pack(commit.tick) + _QUIET_REST
        return zlib.crc32(packed).to_bytes(4, "little") + packed
    away = [[nonce, no.reason, int(no.code)] for nonce, no in (turned_away or {}).items()]
    more: list[Any] = [away] if away or commit.written else []
    return _sealed([*_body(commit), *more, *([commit.written] if commit.written else [])])


def encode_checkpoint(match: Match) -> bytes:
    """All rows of a committed match, with what resuming clients need of the ticks before.

    Not of one whose rows were journaled by other rules or with other fields: it is to be stepped
    first.
    """
    assert match.tick == 0 or not match.origin.stale, match.tick
    recent = [[tick, [list(r) for r in refusals]] for tick, refusals in match.history.recent()]
    snapshot = match.snapshot()
    return _sealed([*_body(snapshot), recent, snapshot.written])


def rows_of(checkpoint: bytes | None, records: Sequence[bytes]) -> View:
    """All rows, hidden fields included, after the last record: read without the game's rules.

    `records` follow the checkpoint (None: the room's beginning). JournalDamaged where they do not,
    or cannot be read.
    """
    view: View | None = None
    for body in map(_opened, [*([] if checkpoint is None else [checkpoint]), *records]):
        tick, written = body[1], body[7:]
        if view is not None and tick != view.tick + 1:
            raise JournalDamaged(f"tick {tick} follows tick {view.tick}")
        try:
            if written:
                view = View(parse(written[0][1], hidden=True), 0)
            if view is None:
                raise JournalDamaged(f"nothing says with which fields tick {tick} was written")
            view.apply(tick, 0 if written else view.tick, (), _chunks(body))
        except ValueError as error:
            raise JournalDamaged(f"tick {tick} cannot be read: {error}") from None
    if view is None:
        raise JournalDamaged("it has no rows yet")
    return view


def record_tick(blob: bytes) -> int:
    """The tick of a record or checkpoint; JournalDamaged if it is neither."""
    tick = _opened(blob)[1]
    assert isinstance(tick, int)
    return tick


def restore(
    game: Game,
    options: Options,
    seed: int,
    checkpoints: Sequence[bytes],
    records: Sequence[bytes],
) -> Match:
    """The match as of the last record, with its history.

    `checkpoints` come newest first, `records` in order, all those after the oldest checkpoint.
    JournalDamaged when no checkpoint and run of records leads there; LeftAlone for what a newer
    release wrote. `match.origin` says which rules wrote the rows, whatever they were.
    """
    damage = JournalDamaged("no checkpoint can be read")
    last = record_tick(records[-1]) if records else 0
    starts = _starting_points(checkpoints, last) if checkpoints else [None]
    for start in starts:
        match = Match(game, options, seed)
        try:
            _replay(match, start, records, last)
        except JournalDamaged as error:
            damage = error
        else:
            return match
    raise damage


def apply_record(match: Match, blob: bytes) -> None:
    """Bring a match one tick further; JournalDamaged if the record is not its next tick."""
    _apply_next(match, blob)


def follow_record(match: Match, blob: bytes) -> tuple[Commit, dict[bytes, JoinRefusal]]:
    """As `apply_record`, and what a follower shows of the tick: its commit, joins it refused."""
    body = _apply_next(match, blob)
    away = {nonce: _refusal(reason, *more) for nonce, reason, *more in body[6]} if body[6:] else {}
    commit = _commit(body)
    return (commit if match.origin.translation is None else _retold(match, commit)), away


def _refusal(reason: str, code: int = 0, *_: Any) -> JoinRefusal:
    """A refusal as journaled; a code of a later release counts as the game's own decision."""
    try:
        return JoinRefusal(RefusalCode(code), reason)
    except ValueError:
        return JoinRefusal(RefusalCode.GAME, reason)


def _apply_next(match: Match, blob: bytes) -> Any:
    body = _opened(blob)
    if body[1] != match.tick + 1:
        raise JournalDamaged(f"tick {body[1]} follows tick {match.tick}")
    _apply(match, body, follows=True)
    return body


def _retold(match: Match, commit: Commit) -> Commit:
    """A commit of other fields in the match's own, as far as clients see it."""
    base = match.tick - 1
    for change in match.history.newest:
        # A new owner gets all an owner may see, also what all saw when it was written.
        owned = match.tables[change.table].kind._masks[OWNED]  # pyright: ignore[reportPrivateUsage]
        change.masks = [(m | owned if m & OWNER_BIT else m, ids) for m, ids in change.masks]
    players = match.tables[PLAYER_TABLE].rows
    owners = {player: match.delta_owned(base, player) for player in players}
    return Commit(match.tick, match.delta(base), owners, NOTHING, commit.refusals, commit.written)


def _replay(match: Match, start: Any, records: Sequence[bytes], last: int) -> None:
    """From a checkpoint's body (None: from nothing) through the records behind it, to `last`."""
    if start is not None:
        _apply(match, start, follows=False)
        for tick, refusals in start[6]:
            match.history.recall(tick, [Refusal(*refusal) for refusal in refusals])
    # One a tick, so those to skip can be counted: one that is damaged there does no harm.
    for record in records[max(0, len(records) - (last - match.tick)) :]:
        apply_record(match, record)


def _starting_points(checkpoints: Sequence[bytes], last: int) -> list[Any]:
    """Readable checkpoints in the order to try them.

    First the newest that leaves a whole history of records to replay, then what else may do where
    a record is damaged.
    """
    readable: list[Any] = []
    for blob in checkpoints:
        try:
            readable.append(_opened(blob))
        except JournalDamaged:
            continue
    far = [body for body in readable if body[1] <= last - HISTORY_TICKS]
    near = [body for body in reversed(readable) if body[1] > last - HISTORY_TICKS]
    return far + near


def _body(commit: Commit) -> list[Any]:
    return [
        FORMAT,
        commit.tick,
        [commit.public.count, commit.public.data],
        [[player, part.count, part.data] for player, part in commit.owners.items()],
        [commit.server.count, commit.server.data],
        [list(refusal) for refusal in commit.refusals],
    ]


def _sealed(body: list[Any]) -> bytes:
    packed = pack(body)
    return zlib.crc32(packed).to_bytes(4, "little") + packed


def _opened(blob: bytes) -> Any:
    packed = memoryview(blob)[4:]
    if len(blob) < 5 or zlib.crc32(packed) != int.from_bytes(blob[:4], "little"):
        raise JournalDamaged("a checksum does not match")
    try:
        body = unpack_stored(bytes(packed))
    except ValueError as error:
        raise JournalDamaged(f"it cannot be read: {type(error).__name__} {error}") from None
    number = body[0] if is_list(body) and body else None
    if type(number) is int and number > FORMAT:
        raise LeftAlone(
            f"it was written by a newer Holdfast (format {number}, this one reads {FORMAT}): "
            "update this process"
        )
    if number != FORMAT:
        raise JournalDamaged(f"this is no record of format {FORMAT}, which this release reads")
    return body


def _apply(match: Match, body: Any, *, follows: bool) -> None:
    chunks = _chunks(body)
    refusals = [Refusal(*refusal) for refusal in body[5]]
    tick, origin, begins = body[1], match.origin, body[7:]
    try:
        if begins:
            origin.read(begins[0])
        elif origin.written is None:
            raise JournalDamaged(f"nothing says with which fields tick {tick} was written")
        told = list(origin.translated(chunks))
    except ValueError as error:
        raise LeftAlone(
            f"tick {tick} was written with fields that have no place: {error}"
        ) from None
    if begins and follows:
        told = _leftovers(match, told) + told
    match.apply(tick, told, refusals, follows=follows)
    if origin.translation is not None:
        # What others hold of this tick was maybe shown to them with other fields.
        match.history.floor = tick + 1
    elif begins:
        match.history.floor = tick


def _chunks(body: Any) -> list[Any]:
    """Those for everybody, then each owner's, then the server's."""
    chunks: list[Any] = []
    for count, data in [body[2], *([n, data] for _, n, data in body[3]), body[4]]:
        chunks += unpack_stored(array_head(count) + data)
    return chunks


def _leftovers(match: Match, whole: list[Any]) -> list[Any]:
    """The end of the rows that are not in a record of all rows: its rules had no table for them."""
    there: dict[int, set[int]] = {}
    for index, _, *groups in whole:
        there.setdefault(index, set()).update(*(group[1] for group in groups))
    left = [
        (table.index, set(table.rows) - there.get(table.index, set())) for table in match.tables
    ]
    return [[index, sorted(gone)] for index, gone in left if gone]


def commit_of(blob: bytes) -> Commit:
    """A record as the commit it was made of; JournalDamaged if it is none."""
    return _commit(_opened(blob))


def _commit(body: Any) -> Commit:
    _, tick, public, owners, server, refusals, *more = body
    return Commit(
        tick,
        Chunks(*public),
        {player: Chunks(count, data) for player, count, data in owners},
        Chunks(*server),
        tuple(Refusal(*refusal) for refusal in refusals),
        more[1] if more[1:] else None,
    )
