"""Records and checkpoints: a match's ticks as checksummed bytes, and a match rebuilt from them.

```
record     = CRC-32 (u32, little endian) | msgpack body
body       = [format, tick, [n, public], [[player, n, owned] ...], [n, server], refusals, away]
checkpoint = the same for the delta from nothing, then [[tick, refusals] ...] and the fingerprint
refusals   = [[player, seq, part, reason] ...]
away       = [[nonce, reason] ...]
```
n counts the chunks in the bytes that follow it. The public part is contiguous, so that a follower
sends it on as it is. Who was turned `away` is for the edges that asked for a seat; a checkpoint has
other things in that place.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from shared.chunks import array_head, pack, unpack_stored
from shared.columns import is_list
from shared.errors import StoreError
from shared.game import Game
from shared.history import Refusal
from shared.inputs import Options
from shared.limits import HISTORY_TICKS
from shared.match import Chunks, Commit, Match
from shared.schema import fingerprint

FORMAT = 1


class JournalDamaged(StoreError):
    """Stored bytes are not what was written, or were written by another schema."""


def encode_record(commit: Commit, turned_away: Mapping[bytes, str] | None = None) -> bytes:
    """One tick's record, and the joins it refused: the reason by nonce."""
    away = [[nonce, reason] for nonce, reason in (turned_away or {}).items()]
    return _sealed([*_body(commit), *([away] if away else [])])


def encode_checkpoint(match: Match) -> bytes:
    """All rows of a committed match, with what resuming clients need of the ticks before."""
    recent = [[tick, [list(r) for r in refusals]] for tick, refusals in match.history.recent()]
    return _sealed([*_body(match.snapshot()), recent, fingerprint(match.game)])


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
    JournalDamaged when no checkpoint and run of records leads there.
    """
    damage = JournalDamaged("no checkpoint can be read")
    last = record_tick(records[-1]) if records else 0
    starts = _starting_points(game, checkpoints, last) if checkpoints else [None]
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
    _take(match, blob)


def follow_record(match: Match, blob: bytes) -> tuple[Commit, dict[bytes, str]]:
    """As `apply_record`, and what a follower shows of the tick: its commit, joins it refused."""
    body = _take(match, blob)
    away: dict[bytes, str] = dict(body[6]) if body[6:] else {}
    return _commit(body), away


def _take(match: Match, blob: bytes) -> Any:
    body = _opened(blob)
    if body[1] != match.tick + 1:
        raise JournalDamaged(f"tick {body[1]} follows tick {match.tick}")
    _apply(match, body, follows=True)
    return body


def _replay(match: Match, start: Any, records: Sequence[bytes], last: int) -> None:
    """From a checkpoint's body (None: from nothing) through the records behind it, to `last`."""
    if start is not None:
        _apply(match, start, follows=False)
        for tick, refusals in start[6]:
            match.history.recall(tick, [Refusal(*refusal) for refusal in refusals])
    # One a tick, so those to skip can be counted: one that is damaged there does no harm.
    for record in records[max(0, len(records) - (last - match.tick)) :]:
        apply_record(match, record)


def _starting_points(game: Game, checkpoints: Sequence[bytes], last: int) -> list[Any]:
    """Readable checkpoints in the order to try them.

    First the newest that leaves a whole history of records to replay, then what else may do where
    a record is damaged.
    """
    readable: list[Any] = []
    for blob in checkpoints:
        try:
            body = _opened(blob)
        except JournalDamaged:
            continue
        if body[7] != fingerprint(game):
            raise JournalDamaged("its rows were written with other fields than the game has now")
        readable.append(body)
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
    if not is_list(body) or not body or body[0] != FORMAT:
        raise JournalDamaged(f"this is no record of format {FORMAT}, which this release reads")
    return body


def _apply(match: Match, body: Any, *, follows: bool) -> None:
    chunks: list[Any] = []
    parts = [body[2], *([n, data] for _, n, data in body[3]), body[4]]
    for count, data in parts:
        chunks += unpack_stored(array_head(count) + data)
    refusals = [Refusal(*refusal) for refusal in body[5]]
    match.apply(body[1], chunks, refusals, follows=follows)


def commit_of(blob: bytes) -> Commit:
    """A record as the commit it was made of; JournalDamaged if it is none."""
    return _commit(_opened(blob))


def _commit(body: Any) -> Commit:
    _, tick, public, owners, server, refusals, *_ = body
    return Commit(
        tick,
        Chunks(*public),
        {player: Chunks(count, data) for player, count, data in owners},
        Chunks(*server),
        tuple(Refusal(*refusal) for refusal in refusals),
    )
