"""Hand-made faults: what somebody may break one day, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass


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
        (
            "tests/server/core/test_fanout.py::"
            "test_a_row_given_away_shows_its_columns_to_the_new_owner_only"
        ),
    ),
    Fault(
        "the oldest tick of the history is taken for one more",
        "shared/history.py",
        "self._ring[0].tick - 1 <= base",
        "self._ring[0].tick - 2 <= base",
        "tests/server/core/test_fanout.py::test_who_is_too_far_behind_is_told_everything_anew",
    ),
    Fault(
        "a merged delta forgets its first tick",
        "shared/history.py",
        ("            if entry.tick <= base:\n                continue\n"),
        ("            if entry.tick <= base + 1:\n                continue\n"),
        (
            "tests/server/core/test_fanout.py::"
            "test_views_are_exact_whoever_misses_however_many_frames"
        ),
    ),
    Fault(
        "gone ids are not merged",
        "shared/history.py",
        "merged.gone += change.gone",
        "merged.gone += []",
        (
            "tests/server/core/test_fanout.py::"
            "test_views_are_exact_whoever_misses_however_many_frames"
        ),
    ),
    Fault(
        "an input of the tick before a takeover is applied again",
        "server/core/room.py",
        "                player.input_seq = taken[-1].seq\n",
        "                player.input_seq = taken[0].seq - 1\n",
        (
            "tests/server/core/test_room.py::"
            "test_inputs_go_on_where_the_journal_ends_in_another_process"
        ),
    ),
    Fault(
        "ticks are published before they are committed",
        "server/host/tick_group.py",
        "outcomes = await self._writer.commit([append for _, append in stepped])",
        (
            "outcomes = [None for _ in stepped]\n"
            "        asyncio.ensure_future(self._writer.commit([append for _, append in "
            "stepped]))"
        ),
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
        (
            "tests/server/edge/test_connection.py::"
            "test_an_input_that_cannot_be_closes_its_connection_alone"
        ),
    ),
    Fault(
        "the inbox lets a gap in the seqs pass",
        "server/core/inbox.py",
        "if seq != self.queued + 1 or len(self._items)",
        "if len(self._items)",
        "tests/server/core/test_inbox.py::test_repeats_are_dropped_and_a_gap_ends_the_taking",
    ),
    Fault(
        "refusals of the first tick after a baseline are not told",
        "shared/history.py",
        (
            "            if entry.tick <= base:\n"
            "                break\n"
            "            if entry.refusals:\n"
            "                found"
        ),
        (
            "            if entry.tick <= base + 1:\n"
            "                break\n"
            "            if entry.refusals:\n"
            "                found"
        ),
        (
            "tests/server/core/test_fanout.py::"
            "test_a_frame_acknowledges_and_tells_refusals_to_their_player_alone"
        ),
    ),
    Fault(
        "a token is believed without its signature",
        "server/core/tokens.py",
        "len(body) < _HEAD.size or not hmac.compare_digest(mac, _mac(secret, body))",
        "len(body) < _HEAD.size",
        "tests/server/core/test_tokens.py::test_another_secret_signs_nothing_here",
    ),
    Fault(
        "a restored match forgets the ticks it was restored through",
        "server/core/journal.py",
        "    _apply(match, body, follows=True)\n",
        "    _apply(match, body, follows=False)\n",
        (
            "tests/server/core/test_journal.py::"
            "test_from_checkpoints_the_match_and_its_last_128_ticks_are_the_same"
        ),
    ),
    Fault(
        "spectators are sent what belongs to nobody",
        "server/core/fanout.py",
        "commit.owners.get(session.player, NOTHING) if session.player else NOTHING",
        "commit.owners.get(session.player, NOTHING)",
        (
            "tests/server/core/test_fanout.py::"
            "test_no_frame_holds_a_byte_that_its_player_may_not_see"
        ),
    ),
    Fault(
        "a frame for a hidden view names a baseline it was not made from",
        "server/core/fanout.py",
        ("        if session.known is None:\n            session.base = 0\n"),
        "",
        (
            "tests/server/core/test_fanout.py::"
            "test_who_resumes_where_rows_are_hidden_is_told_everything_anew"
        ),
    ),
    Fault(
        "a failed tick's inputs are not told to be refused",
        "server/core/room.py",
        "refusals += [Refusal(player, item.seq, part, reason) for part in parts]",
        "refusals += [Refusal(player, item.seq, part, reason) for part in parts[:0]]",
        (
            "tests/server/core/test_room_failures.py::"
            "test_a_failed_tick_is_done_again_without_what_it_consumed"
        ),
    ),
    Fault(
        "a handover whose subscription fails knows no way back",
        "server/core/lifecycle.py",
        "            Event.SUBSCRIBE_FAILED: (State.RUNNING, (Action.REJOIN_GROUP,)),\n",
        "",
        ("tests/simulation/test_directed.py::test_the_first_call_of_each_kind_may_fail[handover]"),
    ),
    Fault(
        "a room comes back from a failed handover and is not stepped",
        "server/core/lifecycle.py",
        "Event.SUBSCRIBE_FAILED: (State.RUNNING, (Action.REJOIN_GROUP,))",
        "Event.SUBSCRIBE_FAILED: (State.RUNNING, ())",
        ("tests/simulation/test_directed.py::test_the_first_call_of_each_kind_may_fail[handover]"),
    ),
    Fault(
        "a takeover whose answer was lost is not asked for again",
        "server/core/lifecycle.py",
        "            Event.OURS: (State.TAKING_OVER, (Action.ASK,)),\n",
        "",
        ("tests/simulation/test_directed.py::test_the_first_call_of_each_kind_may_fail[takeover]"),
    ),
    Fault(
        "an owner whose tick was refused reads nothing anew",
        "server/core/lifecycle.py",
        "(*leave, Action.GIVE_UP_OWNERSHIP, Action.FOLLOW_AGAIN),",
        "(*leave, Action.GIVE_UP_OWNERSHIP),",
        (
            "tests/server/host/test_room_handle.py::"
            "test_what_was_asked_of_an_owner_that_lost_the_room_is_asked_of_who_has_it"
        ),
    ),
    Fault(
        "an owner whose tick was refused is stepped on",
        "server/core/lifecycle.py",
        "(*leave, Action.GIVE_UP_OWNERSHIP, Action.FOLLOW_AGAIN),",
        "(Action.GIVE_UP_OWNERSHIP, Action.FOLLOW_AGAIN),",
        (
            "tests/server/host/test_room_handle.py::"
            "test_what_was_asked_of_an_owner_that_lost_the_room_is_asked_of_who_has_it"
        ),
    ),
    Fault(
        "a follower that missed something does not read the journal",
        "server/core/lifecycle.py",
        ("        },\n        State.OUT_OF_REACH: {\n"),
        (
            "            Event.MISSED: (State.FOLLOWED, ()),\n"
            "        },\n"
            "        State.OUT_OF_REACH: {\n"
        ),
        (
            "tests/server/host/test_follower.py::"
            "test_news_that_are_lost_are_read_from_the_journal_as_soon_as_it_shows"
        ),
    ),
    Fault(
        "a new owner is not asked for what is open",
        "server/core/lifecycle.py",
        ("        },\n        State.OUT_OF_REACH: {\n"),
        (
            "            Event.EPOCH_HEARD: (State.FOLLOWED, ()),\n"
            "        },\n"
            "        State.OUT_OF_REACH: {\n"
        ),
        (
            "tests/server/host/test_follower_alone.py::"
            "test_a_new_owner_is_told_of_and_asked_for_all_that_is_open"
        ),
    ),
    Fault(
        "a release is not acted upon",
        "server/core/lifecycle.py",
        ("        },\n        State.OUT_OF_REACH: {\n"),
        (
            "            Event.RELEASE_HEARD: (State.FOLLOWED, ()),\n"
            "        },\n"
            "        State.OUT_OF_REACH: {\n"
        ),
        "tests/server/host/test_handover.py::test_no_tick_is_missed_and_none_comes_late",
    ),
    Fault(
        "a room that is handed over tells nobody",
        "server/core/lifecycle.py",
        "(Action.GIVE_UP_OWNERSHIP, Action.FOLLOW, Action.TELL_RELEASE, Action.HEAR_WAITING)",
        "(Action.GIVE_UP_OWNERSHIP, Action.FOLLOW, Action.HEAR_WAITING)",
        "tests/server/host/test_handover.py::test_no_tick_is_missed_and_none_comes_late",
    ),
    Fault(
        "an empty room is closed instead of asleep",
        "server/core/lifecycle.py",
        "        Event.EMPTY: (State.FALLING_ASLEEP, last),",
        "        Event.EMPTY: (State.CLOSING, last),",
        "tests/server/host/test_owner.py::test_an_empty_room_falls_asleep_unless_it_stands",
    ),
    Fault(
        "a game that raises again is tried for ever",
        "server/core/lifecycle.py",
        (
            "            Event.GAME_RAISED: (\n"
            "                State.FAILING,\n"
            "                (Action.LEAVE_GROUP, Action.END, Action.WRITE_LAST),\n"
            "            ),"
        ),
        "            Event.GAME_RAISED: (State.RECOVERING, (Action.READ_BACK,)),",
        (
            "tests/server/host/test_owner.py::"
            "test_a_game_that_raises_again_ends_its_room_and_keeps_the_journal"
        ),
    ),
    Fault(
        "a room that fell asleep is kept by its process",
        "server/core/lifecycle.py",
        "            Event.WRITTEN: (State.ASLEEP, (Action.END, Action.FORGET)),",
        "            Event.WRITTEN: (State.ASLEEP, (Action.END,)),",
        (
            "tests/server/host/test_failover.py::"
            "test_a_room_that_sleeps_is_woken_by_who_comes_back_and_goes_on"
        ),
    ),
    Fault(
        "the memory store skips the fence",
        "server/store/memory.py",
        "        if epoch != epoch_now:",
        "        if epoch > epoch_now:",
        (
            "tests/server/store/test_store.py::"
            "test_a_zombie_is_fenced_in_everything_it_writes[asyncio-memory]"
        ),
    ),
    Fault(
        "the journal takes a tick that leaves a hole",
        "server/store/memory.py",
        "if kept.tick and entry.tick != kept.tick + 1:",
        "if kept.tick and entry.tick <= kept.tick:",
        (
            "tests/server/store/test_store.py::"
            "test_the_first_record_has_any_tick_and_the_rest_follow[asyncio-memory]"
        ),
    ),
    Fault(
        "a repeated append is refused",
        "server/store/memory.py",
        ("        if kept.records.get(entry.tick) == record:\n            return None\n"),
        "",
        (
            "tests/server/store/test_store.py::"
            "test_the_same_record_again_is_a_success_and_stands_once[asyncio-memory]"
        ),
    ),
    Fault(
        "a follower of an older epoch takes the room over",
        "server/store/memory.py",
        "behind = kept.epoch > held.epoch or kept.tick > held.tick",
        "behind = kept.tick > held.tick",
        (
            "tests/server/store/test_takeover.py::"
            "test_a_newer_epoch_without_ticks_refuses_until_it_is_known[uvloop-memory]"
        ),
    ),
    Fault(
        "an owner that takes its own room again counts as crashed",
        "server/store/succeeding.py",
        "if old == new or blameless:",
        "if blameless:",
        (
            "tests/server/store/test_takeover.py::"
            "test_an_owner_that_takes_its_own_room_again_counts_no_crash[uvloop-memory]"
        ),
    ),
    Fault(
        "crashes are counted over one tick more",
        "server/store/succeeding.py",
        "tick - self.first_at < RECOVERY_TICKS",
        "tick - self.first_at <= RECOVERY_TICKS",
        (
            "tests/server/store/test_takeover.py::"
            "test_crashes_are_counted_until_the_room_gets_far_or_is_released[uvloop-memory]"
        ),
    ),
    Fault(
        "an epoch is handed out twice",
        "server/store/succeeding.py",
        "max(stored + 1, journaled + 1, wall_ms)",
        "max(stored, journaled + 1, wall_ms)",
        (
            "tests/server/store/test_store.py::"
            "test_an_epoch_is_above_the_stored_the_journaled_and_the_clock"
        ),
    ),
    Fault(
        "a release leaves the crashes counted",
        "server/store/memory.py",
        ('        kept.owner = ""\n        kept.crashes = Crashes()\n'),
        '        kept.owner = ""\n',
        (
            "tests/server/store/test_takeover.py::"
            "test_crashes_are_counted_until_the_room_gets_far_or_is_released[uvloop-memory]"
        ),
    ),
    Fault(
        "records are trimmed up to the newer checkpoint",
        "server/store/memory.py",
        "each <= older[0].tick]",
        "each <= tick]",
        (
            "tests/server/store/test_store_life.py::"
            "test_the_two_newest_checkpoints_stay_and_the_journal_starts_behind_the_older[uvloop-memory]"
        ),
    ),
    Fault(
        "a repeated seq is applied again",
        "server/core/inbox.py",
        "            if seq <= self.queued:\n",
        "            if seq < self.queued:\n",
        "tests/server/core/test_inbox.py::test_repeats_are_dropped_and_a_gap_ends_the_taking",
    ),
    Fault(
        "a nonce is seated twice",
        "server/core/room.py",
        "held = self.seat_of(request.nonce)\n",
        "held = None\n",
        "tests/server/core/test_room.py::test_a_repeated_nonce_finds_the_same_seat",
    ),
    Fault(
        "a connection's number falls",
        "server/core/room.py",
        "row.connection = max(connection, row.connection)",
        "row.connection = connection",
        (
            "tests/server/core/test_room.py::"
            "test_the_number_of_a_connection_only_rises_in_whichever_order_they_are_told"
        ),
    ),
    Fault(
        "a report of presence never expires",
        "server/core/presence.py",
        "return self.until_s is None or age_s <= self.until_s",
        "return True",
        (
            "tests/server/core/test_presence.py::"
            "test_a_report_outlives_missed_ones_and_is_forgotten_then"
        ),
    ),
    Fault(
        "a resume that does not show yet is forgotten",
        "server/core/outbox.py",
        "row.connection >= request.connection",
        "row.connection >= 0",
        "tests/server/core/test_outbox.py::test_a_connection_is_open_until_the_row_has_it",
    ),
    Fault(
        "an input that was applied is posted again",
        "server/core/outbox.py",
        "items[0].seq <= applied)",
        "items[0].seq < applied)",
        "tests/server/core/test_outbox.py::test_inputs_are_open_until_they_are_applied",
    ),
    Fault(
        "a new owner is not asked for the open seats",
        "server/core/outbox.py",
        "return [*self._seats(), *self._whole(self._items), self.present]",
        "return [*self._whole(self._items), self.present]",
        (
            "tests/server/host/test_follower_alone.py::"
            "test_a_new_owner_is_told_of_and_asked_for_all_that_is_open"
        ),
    ),
    Fault(
        "a row that left the view is not told to be gone",
        "server/core/fanout.py",
        "left = sorted(before - now - set(gone))",
        "left = sorted(before - now - before)",
        (
            "tests/server/core/test_fanout.py::"
            "test_a_hidden_row_leaves_a_view_and_is_told_apart_from_a_gone_one"
        ),
    ),
    Fault(
        "rows that visible leaves out are sent",
        "server/core/fanout.py",
        "if number in listed or table.index == ROOM_TABLE",
        "if number not in listed or table.index == ROOM_TABLE",
        (
            "tests/server/core/test_fanout.py::"
            "test_no_frame_holds_a_byte_that_its_player_may_not_see"
        ),
    ),
    Fault(
        "a baseline before a change of schema is built upon",
        "shared/history.py",
        "return base >= self.floor and self._remembers(base)",
        "return self._remembers(base)",
        "tests/shared/test_history.py::test_nothing_leads_on_from_before_the_floor",
    ),
    Fault(
        "a record is believed without its checksum",
        "server/core/journal.py",
        'if len(blob) < 5 or zlib.crc32(packed) != int.from_bytes(blob[:4], "little"):',
        "if len(blob) < 5:",
        "tests/server/core/test_journal.py::test_any_flipped_bit_is_noticed",
    ),
    Fault(
        "inputs put back come in the wrong order",
        "server/core/inbox.py",
        "self._items.extendleft(reversed(items))",
        "self._items.extendleft(items)",
        (
            "tests/server/core/test_room_failures.py::"
            "test_a_tick_that_ran_out_of_memory_is_nobodys_fault_and_is_done_again_whole"
        ),
    ),
    Fault(
        "inputs of a failed tick come again",
        "server/core/room.py",
        ("                row.input_seq = items[-1].seq\n                row.inputs_skipped"),
        "                row.inputs_skipped",
        (
            "tests/server/core/test_room_failures.py::"
            "test_a_failed_tick_is_done_again_without_what_it_consumed"
        ),
    ),
    Fault(
        "a resuming client may not jump",
        "server/core/inbox.py",
        "            self.queued = first_seq - 1\n",
        "            pass\n",
        "tests/server/core/test_inbox.py::test_a_resume_may_jump_ahead_but_not_back",
    ),
    Fault(
        "a refused tick is told to followers",
        "server/host/journal_writer.py",
        "                    if outcome is None\n",
        "                    if outcome is not batch\n",
        "tests/server/host/test_journal_writer.py::test_each_append_has_its_own_outcome",
    ),
    Fault(
        "a follower takes a record of an older epoch",
        "server/host/follower.py",
        ("        if news.epoch < self.epoch:\n            return Heard.OLD\n"),
        "",
        "tests/server/host/test_copy.py::test_a_new_owner_is_followed_from_where_both_are",
    ),
    Fault(
        "a follower applies a record that leaves a gap",
        "server/host/follower.py",
        "if news.epoch > self.epoch or news.tick != self.tick + 1:",
        "if news.epoch > self.epoch:",
        (
            "tests/server/host/test_copy.py::"
            "test_what_is_known_is_old_and_what_leaves_a_hole_is_not_taken"
        ),
    ),
    Fault(
        "a follower that caught up is not in the new epoch",
        "server/host/follower.py",
        (
            "        if self.fits(tail) and tail.epoch > self.epoch:\n"
            "            self._enter(tail.epoch)\n"
        ),
        "",
        (
            "tests/server/host/test_copy.py::"
            "test_what_was_missed_is_taken_in_tick_by_tick_through_every_epoch"
        ),
    ),
    Fault(
        "an answer to an earlier owner's tick counts",
        "server/host/room_handle.py",
        "if owner is None or owner.epoch != append.epoch:",
        "if owner is None:",
        (
            "tests/server/host/test_room_handle.py::"
            "test_an_answer_to_a_tick_of_an_earlier_owner_says_nothing_of_this_ones"
        ),
    ),
    Fault(
        "a room runs one tick further ahead than its game allows",
        "server/host/owner.py",
        "len(self._unanswered) < self.game.journal_lag_ticks_max",
        "len(self._unanswered) <= self.game.journal_lag_ticks_max",
        (
            "tests/simulation/test_ahead.py::"
            "test_a_room_goes_on_without_its_store_and_commits_all_of_it_later"
        ),
    ),
    Fault(
        "a tick that was done again is done again until it is answered",
        "server/core/lifecycle.py",
        "            Event.RETRIED: (State.RUNNING, ()),\n",
        "            Event.RETRIED: (State.RETRYING, ()),\n",
        (
            "tests/server/host/test_walls.py::"
            "test_a_room_that_runs_ahead_does_its_failed_tick_again_once"
        ),
    ),
    Fault(
        "the reaper takes a room that somebody else has taken",
        "server/host/recovery.py",
        "if loaded.epoch == entry.epoch:",
        "if loaded.epoch >= entry.epoch:",
        (
            "tests/server/host/test_recovery.py::"
            "test_rooms_that_several_processes_are_after_change_hands_once"
        ),
    ),
    Fault(
        "followers of a room whose owners commit nothing lose no patience",
        "server/host/failure_detector.py",
        "least_s * 2**doublings",
        "least_s",
        (
            "tests/server/host/test_failure_detector.py::"
            "test_owners_that_commit_nothing_double_the_patience_up_to_a_bound"
        ),
    ),
    Fault(
        "a room that crashed three owners is given to a fourth",
        "server/host/failover.py",
        "if answer.recoveries >= RECOVERIES_MAX:",
        "if answer.recoveries > RECOVERIES_MAX:",
        (
            "tests/server/host/test_failover.py::"
            "test_a_sleeping_room_that_has_killed_too_many_is_put_aside_instead_of_woken"
        ),
    ),
    Fault(
        "a client does not repeat its inputs to a new owner",
        "shared/session.py",
        ("            self._epoch = message.epoch\n            self._repeat()\n"),
        "            self._epoch = message.epoch\n",
        "tests/shared/test_session.py::test_a_new_epoch_has_the_unacknowledged_repeated",
    ),
    Fault(
        "a client shows an older frame",
        "shared/session.py",
        "if frame.base != 0 and frame.tick <= view.tick:",
        "if frame.base != 0 and frame.tick < view.tick:",
        ("tests/shared/test_session.py::test_frames_are_applied_dropped_or_refused_by_their_ticks"),
    ),
    Fault(
        "a resuming client says that it holds no input",
        "shared/session.py",
        "first = self._unacked[0].seq if self._unacked else self._next_seq",
        "first = self._next_seq",
        "tests/shared/test_session.py::test_a_lost_connection_is_resumed_from_the_tick_held",
    ),
    Fault(
        "a session that left is welcomed back",
        "shared/session.py",
        ("        if self.state is ClientState.GONE:\n            return Outcome()\n"),
        "",
        "tests/shared/test_session.py::test_a_session_that_left_is_not_welcomed_back",
    ),
    Fault(
        "the edge takes a repeated seq for a new one",
        "shared/server_session.py",
        "            if seq <= self.posted:\n",
        "            if seq < self.posted:\n",
        "tests/shared/test_server_session.py::test_each_item_is_taken_once_in_order",
    ),
    Fault(
        "an edge serves a seat that was given to somebody else",
        "server/edge/follower.py",
        "if row is None or row.nonce != seat.nonce.hex():",
        "if row is None:",
        (
            "tests/server/edge/test_connection_resume.py::"
            "test_a_resume_needs_a_token_of_ours_and_a_room_that_is_there"
        ),
    ),
)
