"""Who is there is what the edges said last, for as long as they are believed."""

from __future__ import annotations

from server.core.presence import PRESENCE_S, REPORT_S, Presence

LIFE_S = PRESENCE_S


def crowd(*players: int) -> frozenset[int]:
    return frozenset(players)


def test_all_edges_together_say_who_is_there() -> None:
    presence = Presence(0, crowd())
    presence.report("one", crowd(1, 2), 3, 0, lasting=True)
    presence.report("two", crowd(2, 4), 1, 0, lasting=False)
    assert presence.at(1) == ({1, 2, 4}, 4)
    presence.report("two", crowd(5), 0, 1, lasting=False)
    assert presence.at(2) == ({1, 2, 5}, 3), "an edge's word is its whole word"
    assert presence.edges(2) == {"one", "two"}


def test_a_report_outlives_missed_ones_and_is_forgotten_then() -> None:
    assert PRESENCE_S >= 3 * REPORT_S
    presence = Presence(0, crowd())
    presence.report("far", crowd(1), 2, 10, lasting=False)
    assert presence.at(10 + LIFE_S) == ({1}, 2)
    assert presence.edges(10 + LIFE_S) == {"far"}
    assert presence.edges(10 + LIFE_S + 0.01) == set()
    assert presence.at(10 + LIFE_S + 0.01) == (set(), 0)
    # It is gone for good, whatever time is asked about.
    assert presence.at(10) == (set(), 0)


def test_this_processes_own_edge_is_believed_until_it_says_otherwise() -> None:
    presence = Presence(0, crowd())
    presence.report("here", crowd(1), 1, 0, lasting=True)
    assert presence.at(1_000_000) == ({1}, 1)
    assert presence.edges(1_000_000) == {"here"}
    presence.report("here", crowd(), 0, 1_000_000, lasting=True)
    assert presence.at(1_000_000) == (set(), 0)


def test_whom_the_owner_before_had_seen_gets_the_time_of_one_report() -> None:
    presence = Presence(100, crowd(1, 2))
    assert presence.edges(100) == set(), "no edge has spoken"
    presence.report("far", crowd(2), 0, 101, lasting=False)
    assert presence.at(100 + LIFE_S) == ({1, 2}, 0)
    assert presence.at(100 + LIFE_S + 0.01) == ({2}, 0)
