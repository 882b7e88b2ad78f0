"""The table of a room's life: whole, closed, reachable, and the only way from state to state."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.lifecycle import (
    ENDS,
    FOLLOWING,
    GROUPED,
    LAST_WRITES,
    MEANING,
    OWNED,
    TABLE,
    Action,
    Event,
    Life,
    State,
    table_as_markdown,
)
from server.host.room_handle import RoomHandle

ROOT = Path(__file__).parents[3]
PAIRS = [(state, event) for state in State for event in Event]
KNOWN = [(state, event) for state, pairs in TABLE.items() for event in pairs]


@pytest.mark.parametrize(("state", "event"), KNOWN)
def test_every_transition_leads_where_the_table_says(state: State, event: Event) -> None:
    seen: list[tuple[State, Event, State]] = []

    def note(before: State, event: Event, after: State) -> None:
        seen.append((before, event, after))

    life = Life(note, state)
    new, actions = TABLE[state][event]
    assert life.on(event) == actions
    assert (life.state, seen) == (new, [(state, event, new)])


def test_a_pair_that_is_not_in_the_table_is_a_bug_and_changes_nothing() -> None:
    impossible = [pair for pair in PAIRS if pair not in set(KNOWN)]
    assert len(impossible) == len(State) * len(Event) - len(KNOWN) > 0
    for state, event in impossible:
        life = Life(state=state)
        with pytest.raises(AssertionError, match=f"a room that is {state} does not know of"):
            life.on(event)
        assert life.state is state


def test_every_state_can_be_reached_and_left_for_an_end() -> None:
    reached, found = {State.LOADING}, {State.LOADING}
    while found:
        found = {new for state in found for new, _ in TABLE[state].values()} - reached
        reached |= found
    assert reached == set(State)
    for state in set(State) - ENDS:
        assert Event.PROCESS_ENDS in TABLE[state], "a process may end at any time"


def test_every_event_and_action_is_used_and_every_action_is_carried_out() -> None:
    assert {event for pairs in TABLE.values() for event in pairs} == set(Event)
    used = {one for pairs in TABLE.values() for _, actions in pairs.values() for one in actions}
    assert used == set(Action) == set(RoomHandle.ACTIONS)
    assert set(MEANING) == set(TABLE) == set(State)


def test_a_state_is_owned_or_followed_or_over_or_loading() -> None:
    kinds = [OWNED, FOLLOWING, ENDS, {State.LOADING}]
    assert sum(len(kind) for kind in kinds) == len(set[State]().union(*kinds)) == len(State)
    assert GROUPED | LAST_WRITES < OWNED


@pytest.mark.parametrize(("state", "event"), KNOWN)
def test_a_room_is_in_a_tick_group_exactly_while_its_ticks_come_due(
    state: State, event: Event
) -> None:
    new, actions = TABLE[state][event]
    assert (Action.LEAVE_GROUP in actions) == (state in GROUPED and new not in GROUPED)
    enters = {Action.OWN, Action.REJOIN_GROUP} & set(actions)
    assert bool(enters) == (state not in GROUPED and new in GROUPED)
    assert (new in ENDS) == (Action.FORGET in actions), "an end is the end for its process"
    if state in OWNED and new in FOLLOWING:
        assert Action.GIVE_UP_OWNERSHIP in actions


def test_the_documents_have_the_table_as_it_is() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert table_as_markdown() in text, "paste what `python -m server rooms --states` prints"
