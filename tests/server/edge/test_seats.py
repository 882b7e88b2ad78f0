"""At most two connections a player, and which of them serves."""

from __future__ import annotations

from dataclasses import dataclass

from server.edge.seats import Seats


@dataclass(eq=False)
class Held:
    renewing: bool = False


def test_a_newer_connection_ends_the_older() -> None:
    seats: Seats[Held] = Seats()
    first, second = Held(), Held()
    assert seats.take(7, first) is None
    assert seats.take(7, second) is first
    assert seats.holder(7) is second
    assert (seats.players, seats.connections) == ({7}, 1)


def test_a_renewed_connection_stays_until_its_successor_has_proven_itself() -> None:
    seats: Seats[Held] = Seats()
    first, second = Held(renewing=True), Held()
    seats.take(7, first)
    assert seats.take(7, second) is None
    assert (seats.holder(7), seats.connections) == (second, 2)
    assert seats.prove(7, first) is None, "only the one in service can"
    assert seats.prove(7, second) is first
    assert seats.connections == 1


def test_a_successor_that_is_lost_gives_the_seat_back() -> None:
    seats: Seats[Held] = Seats()
    first, second = Held(renewing=True), Held()
    seats.take(7, first)
    seats.take(7, second)
    seats.drop(7, second)
    assert (seats.holder(7), seats.connections) == (first, 1)
    seats.drop(7, first)
    assert seats.players == set()


def test_there_are_never_more_than_two_and_every_other_try_ends_the_one_before() -> None:
    seats: Seats[Held] = Seats()
    first = Held(renewing=True)
    seats.take(7, first)
    tries = [Held() for _ in range(5)]
    ended = [seats.take(7, one) for one in tries]
    assert ended == [None, *tries[:-1]]
    assert (seats.holder(7), seats.connections) == (tries[-1], 2)
    assert seats.clear(7) == [tries[-1], first]
    assert seats.connections == 0
