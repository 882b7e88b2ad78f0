"""Hand-made faults: what somebody may break one day, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass

CORE = "tests/server/core"


@dataclass(frozen=True)
class Fault:
    """In `file`, `old` (which occurs once) becomes `new`, and `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


FAULTS = (
    Fault(
        "the owner bit does not bring the owner's columns along",
        "shared/tables.py",
        "mask | owned if mask & OWNER_BIT else mask for mask",
        "mask for mask",
        f"{CORE}/test_fanout.py::test_a_row_given_away_shows_its_columns_to_the_new_owner_only",
    ),
    Fault(
        "the oldest tick of the history is taken for one more",
        "shared/history.py",
        "self._ring[0].tick - 1 <= base",
        "self._ring[0].tick - 2 <= base",
        f"{CORE}/test_fanout.py::test_who_is_too_far_behind_is_told_everything_anew",
    ),
    Fault(
        "a merged delta forgets its first tick",
        "shared/history.py",
        "            if entry.tick <= base:\n",
        "            if entry.tick <= base + 1:\n",
        f"{CORE}/test_fanout.py::test_views_are_exact_whoever_misses_however_many_frames",
    ),
    Fault(
        "gone ids are not merged",
        "shared/history.py",
        "merged.gone += change.gone",
        "merged.gone += []",
        f"{CORE}/test_fanout.py::test_views_are_exact_whoever_misses_however_many_frames",
    ),
    Fault(
        "an input of the tick before a takeover is applied again",
        "server/core/room.py",
        "                player.input_seq = taken[-1].seq\n",
        "                player.input_seq = taken[0].seq - 1\n",
        f"{CORE}/test_room.py::test_inputs_go_on_where_the_journal_ends_in_another_process",
    ),
    Fault(
        "ticks are published before they are committed",
        "server/host/tick_group.py",
        "outcomes = await self._writer.commit([append for _, append in stepped])",
        "outcomes = [None for _ in stepped]\n"
        "        asyncio.ensure_future(self._writer.commit([append for _, append in stepped]))",
        "tests/server/host/test_owner.py::test_nobody_sees_a_tick_before_the_journal_has_it",
    ),
    Fault(
        "numbers are rounded half to even",
        "shared/columns.py",
        "wire = [floor(value * scale + 0.5) for value in values]",
        "wire = [round(value * scale) for value in values]",
        "tests/shared/test_columns.py::test_a_column_comes_back_as_it_was_written_back",
    ),
    Fault(
        "what was rounded is not written back",
        "shared/chunks.py",
        "                self._writers[bit](rows, back)\n",
        "                pass\n",
        "tests/shared/test_chunks.py::test_rounding_is_written_back",
    ),
    Fault(
        "the edge lets a gap in the seqs pass",
        "shared/server_session.py",
        "            if seq != self.posted + 1 and not self.renews:\n",
        "            if seq < self.posted:\n",
        "tests/server/edge/test_connection.py::"
        "test_an_input_that_cannot_be_closes_its_connection_alone",
    ),
    Fault(
        "the inbox lets a gap in the seqs pass",
        "server/core/inbox.py",
        "if seq != self.queued + 1 or len(self._items)",
        "if len(self._items)",
        f"{CORE}/test_inbox.py::test_repeats_are_dropped_and_a_gap_ends_the_taking",
    ),
    Fault(
        "refusals of the first tick after a baseline are not told",
        "shared/history.py",
        "if entry.tick > base and entry.refusals",
        "if entry.tick > base + 1 and entry.refusals",
        f"{CORE}/test_fanout.py::"
        "test_a_frame_acknowledges_and_tells_refusals_to_their_player_alone",
    ),
    Fault(
        "a token is believed without its signature",
        "server/core/tokens.py",
        "len(body) < _HEAD.size or not hmac.compare_digest(mac, _mac(secret, body))",
        "len(body) < _HEAD.size",
        f"{CORE}/test_tokens.py::test_another_secret_signs_nothing_here",
    ),
    Fault(
        "a restored match forgets the ticks it was restored through",
        "server/core/journal.py",
        "    _apply(match, body, follows=True)\n",
        "    _apply(match, body, follows=False)\n",
        f"{CORE}/test_journal.py::"
        "test_from_checkpoints_the_match_and_its_last_128_ticks_are_the_same",
    ),
    Fault(
        "spectators are sent what belongs to nobody",
        "server/core/fanout.py",
        "commit.owners.get(session.player, NOTHING) if session.player else NOTHING",
        "commit.owners.get(session.player, NOTHING)",
        f"{CORE}/test_fanout.py::test_no_frame_holds_a_byte_that_its_player_may_not_see",
    ),
    Fault(
        "a frame for a hidden view names a baseline it was not made from",
        "server/core/fanout.py",
        "        if session.known is None:\n            session.base = 0\n",
        "",
        f"{CORE}/test_fanout.py::test_who_resumes_where_rows_are_hidden_is_told_everything_anew",
    ),
    Fault(
        "a failed tick's inputs are not told to be refused",
        "server/core/room.py",
        "refusals += [Refusal(player, item.seq, part, reason) for part in parts]",
        "refusals += [Refusal(player, item.seq, part, reason) for part in parts[:0]]",
        f"{CORE}/test_room_failures.py::test_a_failed_tick_is_done_again_without_what_it_consumed",
    ),
)
