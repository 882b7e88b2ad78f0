"""Who gets which bytes this tick: view first, delta second, each chunk encoded once.

A frame is a small head for the connection joined to a public slice shared by all who hold the same
baseline, and to the owner's own. Where a game hides rows, each session's view is its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, cast

from shared.chunks import Rows, array_head, by_mask, pack
from shared.digest import Layout, owned_digest, public_digest
from shared.entities import Entity
from shared.errors import GameError
from shared.history import Merged
from shared.limits import PART_BYTES
from shared.match import NOTHING, PLAYER_TABLE, ROOM_TABLE, Chunks, Commit, Match
from shared.messages import FRAME
from shared.session import ServerSession
from shared.tables import PUBLIC, Table


class Fanout:
    """The frames of one tick of one match. Make one per tick; it remembers encodings.

    `committed` is the last tick in the journal; without it, this one is.
    """

    __slots__ = (
        "_changed",
        "_commit",
        "_committed",
        "_crc",
        "_deltas",
        "_heads",
        "_match",
        "_plain",
        "_plains",
        "_players",
        "_still",
        "_whole",
    )

    def __init__(self, match: Match, commit: Commit, committed: int | None = None) -> None:
        assert match.tick == commit.tick, (match.tick, commit.tick)
        self._match = match
        self._commit = commit
        self._committed = commit.tick if committed is None else committed
        # The last tick before this one for which frames left: up to it, nothing a client may see
        # changed since `_changed`.
        self._still = commit.tick - match.game.send_every
        self._changed = match.history.changed(self._still)
        # From this tick on, the tick's own chunks are the whole delta.
        self._whole = match.history.changed(commit.tick - 1)
        self._deltas: dict[int, Chunks] = {}
        self._heads: dict[int, bytes] = {}
        self._crc: int | None = None
        self._players: dict[int, Any] = match.tables[PLAYER_TABLE].rows
        # What goes before and after the ack in the usual frame, by base: the whole tick, for a
        # session that lacks nothing before it. None where a frame is not that plain.
        self._plain = not (match.game.hides or match.has_owned_columns or commit.refusals)
        self._plains: dict[int, tuple[bytes, bytes] | None] = {}

    def frame(self, session: ServerSession) -> bytes:
        """The FRAME that brings a session to this tick; the session's base moves here."""
        return b"".join(self.pieces(session))

    def pieces(self, session: ServerSession) -> Sequence[bytes]:
        """The same in one piece, or, above `PART_BYTES`, in pieces shared by several frames."""
        match, tick = self._match, self._commit.tick
        row = self._players.get(session.player)
        session.ack = row.input_seq if row is not None else 0
        ack = pack(session.ack)
        plain = self._plain_from(session.base) if self._plain else None
        if plain is not None:
            if session.base < self._still:
                session.quiet += self._still - session.base
            session.base = tick
            head, rest = plain
            return (head + ack + rest,) if len(rest) < PART_BYTES - 64 else (head, ack, rest)
        if session.base != tick - 1 and not match.history.reaches(session.base):
            session.base = 0
        parts: tuple[Chunks, ...]
        if match.game.hides:
            parts, dropped = self._own_view(session)
        else:
            parts, dropped = self._shared_view(session), None
        base = session.base
        refusals = self._refusals(session.player, base)
        session.base = tick
        count = sum(part.count for part in parts)
        rest = b"\xc0\xc0" if not refusals and not dropped else pack(refusals) + pack(dropped)
        still = b""
        if self._unchanged_since(base):
            still = pack(self._still)
            session.quiet += self._still - base
        head = self._head(base) + ack + rest + array_head(count)
        pieces = (head, *(part.data for part in parts), still)
        return pieces if sum(map(len, pieces)) > PART_BYTES else (b"".join(pieces),)

    def _plain_from(self, base: int) -> tuple[bytes, bytes] | None:
        """The bytes before and after the ack of a frame of nothing but this tick's own chunks."""
        if base in self._plains:
            return self._plains[base]
        made: tuple[bytes, bytes] | None = None
        history, tick, public = self._match.history, self._commit.tick, self._commit.public
        if (
            0 < base < tick
            and self._whole <= base
            and (base == tick - 1 or (history.reaches(base) and not history.refused_since(base)))
        ):
            still = pack(self._still) if self._unchanged_since(base) else b""
            rest = b"\xc0\xc0" + array_head(public.count) + public.data + still
            made = (self._head(base), rest)
        self._plains[base] = made
        return made

    def _unchanged_since(self, base: int) -> bool:
        """Whether the ticks after `base` needed no frame, up to the last that could have one."""
        return self._changed <= base < self._still

    def _head(self, base: int) -> bytes:
        head = self._heads.get(base)
        if head is None:
            tick = self._commit.tick
            # Packed as an array of 4; the whole is one of 8, or of 9 where it says `still`.
            length = b"\x99" if self._unchanged_since(base) else b"\x98"
            packed = pack((FRAME, tick, base, self._committed))
            head = self._heads[base] = length + packed[1:]
        return head

    def digest(self, session: ServerSession) -> int:
        """The CRC-32 of the canonical bytes of the session's view at this tick."""
        match = self._match
        tables: list[dict[int, Any]] = [table.rows for table in match.tables]
        layout = Layout.of_match(match)
        if session.known is not None:
            known = session.known
            tables = [
                {number: row for number, row in rows.items() if number in known.get(index, ())}
                for index, rows in enumerate(tables)
            ]
            return owned_digest(layout, tables, session.player, public_digest(layout, tables))
        if self._crc is None:
            self._crc = public_digest(layout, tables)
        if not match.has_owned_columns:
            return self._crc
        return owned_digest(layout, tables, session.player, self._crc)

    def _shared_view(self, session: ServerSession) -> tuple[Chunks, Chunks]:
        base, commit = session.base, self._commit
        if base and self._whole <= base < commit.tick:
            # The columns of rows that belong to nobody (0) are not a spectator's (0) to see.
            mine = commit.owners.get(session.player, NOTHING) if session.player else NOTHING
            return commit.public, mine
        public = self._deltas.get(base)
        if public is None:
            public = self._deltas[base] = self._match.delta(base)
        return public, self._match.delta_owned(base, session.player)

    def _refusals(self, player: int, base: int) -> list[list[Any]] | None:
        commit = self._commit
        if base == commit.tick - 1:
            found = [refusal for refusal in commit.refusals if refusal.player == player]
        else:
            found = self._match.history.refusals(player, base)
        return [[refusal.seq, refusal.part, refusal.reason] for refusal in found] or None

    def _own_view(self, session: ServerSession) -> tuple[tuple[Chunks, ...], list[Any] | None]:
        """Chunks of what this session may see now, and the rows that left its view."""
        match, player = self._match, session.player
        seen = visible_rows(match, player)
        if session.known is None:
            session.base = 0
        merged = match.history.since(session.base) if session.base else {}
        held = (session.known or {}) if session.base else {}
        public: list[bytes] = []
        owned: list[bytes] = []
        dropped: list[Any] = []
        for table in match.tables:
            change = merged.get(table.index, _UNCHANGED)
            before = held.get(table.index, set())
            now = seen[table.index]
            groups = _entering_and_changed(table, before, now, change)
            gone = [number for number in change.gone if number in before]
            chunk = table.encode(PUBLIC, groups, gone)
            if chunk is not None:
                public.append(chunk)
            mine = table.encode_owned(groups).get(player) if player else None
            if mine is not None:
                owned.append(mine)
            left = sorted(before - now - set(gone))
            if left:
                dropped.append([table.index, left])
        session.known = seen
        return (Chunks.of(public), Chunks.of(owned)), dropped or None


_UNCHANGED = Merged({}, [])


def visible_rows(match: Match, player: int) -> dict[int, set[int]]:
    """The ids a player (0: a spectator) may see, by table; what `visible` raises passes."""
    listed = _listed(match, player)
    if listed is None:
        return {table.index: set(table.rows) for table in match.tables}
    found: dict[int, set[int]] = {}
    for table in match.tables:
        found[table.index] = {
            number
            for number, entity in table.rows.items()
            if number in listed or table.index == ROOM_TABLE or (player and entity.owner == player)
        }
    return found


def _listed(match: Match, player: int) -> dict[int, Entity] | None:
    """The rows that `visible` returns for a player, by id; GameError where they are none."""
    row: Any = match.tables[PLAYER_TABLE].rows.get(player)
    try:
        allowed = cast("object", match.game.visible(match, row))
        if allowed is None:
            return None
        if inspect.iscoroutine(allowed):
            allowed.close()
        if not isinstance(allowed, Iterable) or isinstance(allowed, str | bytes):
            raise _wrong(f"a {type(allowed).__name__}")
        given = list(cast("Iterable[object]", allowed))
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        # As of `sys.exit()`: it ends nothing but this view.
        raise GameError(f"visible raised {type(error).__name__}") from error
    listed: dict[int, Entity] = {}
    for entity in given:
        if not isinstance(entity, Entity):
            raise _wrong(f"a {type(entity).__name__} among the rows")
        listed[entity.id] = entity
    by_kind = {table.kind: table.rows for table in match.tables}
    for number, entity in listed.items():
        # One that is gone meanwhile is nothing to see; one of another match is a mistake.
        if by_kind.get(type(entity), {}).get(number, entity) is not entity:
            raise _wrong("a row of another match")
    return listed


def _wrong(what: str) -> GameError:
    return GameError(f"visible returned {what}; it returns rows of the match, or None for all")


def _entering_and_changed(
    table: Table, before: set[int], now: set[int], change: Merged
) -> dict[int, Rows]:
    full = table.kind._full  # pyright: ignore[reportPrivateUsage]
    rows = table.rows
    return by_mask(
        (full if number not in before else change.masks[number], rows[number])
        for number in sorted(now)
        if number not in before or number in change.masks
    )
