"""What was asked is kept until the rows show it, and asked again exactly as long as they do not."""

from __future__ import annotations

from server.core.inbox import Item
from server.core.outbox import Outbox
from server.core.post import Asked, Failed, Leaving, Present, Request, Resumed
from server.core.room import SeatRequest
from shared.limits import INBOX_ITEMS_MAX
from tests.server.core.yard import Ground, Yard, item, nonce


class Patient(Yard):
    """Works no backlog off: each tick applies the next input."""

    input_backlog_ticks = 20


GAME = Patient()
NOBODY = Present(frozenset(), 0)


def items(first: int, last: int) -> tuple[Item, ...]:
    return tuple(item(GAME, seq, 1) for seq in range(first, last + 1))


def seat(name: str) -> SeatRequest:
    return SeatRequest(nonce(name), name)


class Post:
    """An outbox at one end and a room at the other; letters arrive when told to."""

    def __init__(self) -> None:
        self.ground = Ground(GAME)
        self.outbox = Outbox()

    def arrive(self, requests: list[Request]) -> None:
        room = self.ground.room
        for request in requests:
            match request:
                case SeatRequest():
                    room.join(request)
                case Leaving(player):
                    room.leave(player)
                case Resumed(player, connection, first_seq):
                    room.resume(player, connection, first_seq)
                case Asked(player, asked):
                    room.submit(player, asked)
                case Present(players, spectators):
                    room.present, room.spectators = set(players), spectators
                case _:
                    raise AssertionError(request)

    def tick(self) -> dict[bytes, int]:
        """A tick, which the outbox sees; the seats it settles."""
        self.ground.tick()
        return self.outbox.settle(self.ground.match)

    def join(self, name: str) -> int:
        self.outbox.join(seat(name))
        self.arrive(self.outbox.take())
        self.outbox.report({*self.ground.room.present, 3}, 0)
        return self.tick()[nonce(name)]


def test_a_join_is_open_until_its_row_is_there() -> None:
    post = Post()
    post.ground.ask("Eve")
    post.outbox.join(seat("Ada"))
    post.outbox.join(seat("Bob"))
    assert (post.outbox.open, post.outbox.nonces) == (True, {nonce("Ada"), nonce("Bob")})
    assert post.outbox.take() == [seat("Ada"), seat("Bob")]
    assert post.outbox.take() == [], "posted once"
    # The letter was lost; the tick shows nothing, so it is asked again.
    assert post.tick() == {}
    assert post.outbox.standing() == [seat("Ada"), seat("Bob")]
    post.arrive([seat("Bob")])
    assert post.tick() == {nonce("Bob"): post.ground.row("Bob").id}
    assert post.outbox.nonces == {nonce("Ada")}
    post.outbox.refused(nonce("Ada"))
    post.outbox.refused(nonce("Ada"))
    assert (post.outbox.open, post.outbox.standing()) == (False, [])


def test_a_seat_given_up_is_open_until_its_row_is_gone() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.submit(ada, items(1, 2))
    post.outbox.leave(ada)
    post.outbox.take()
    assert post.tick() == {}
    assert post.outbox.standing() == [Leaving(ada)], "who leaves asks for nothing more"
    post.arrive([Leaving(ada)])
    post.tick()
    assert not post.outbox.open


def test_a_connection_is_open_until_the_row_has_it() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.resume(ada, 77, 1)
    post.outbox.resume(ada, 88, 1)
    assert post.outbox.take()[-2:] == [Resumed(ada, 77, 1), Resumed(ada, 88, 1)]
    post.arrive([Resumed(ada, 77, 1)])
    post.tick()
    assert post.outbox.standing() == [Resumed(ada, 88, 1)], "the newer one counts"
    post.arrive([Resumed(ada, 88, 1)])
    post.tick()
    assert not post.outbox.open
    # A poll leaves the row's connection as it is: there is nothing to wait for.
    post.outbox.resume(ada, 0, 5)
    assert (post.outbox.take(), post.outbox.open) == ([Resumed(ada, 0, 5)], False)
    post.outbox.resume(ada, 99, 1)
    post.outbox.take()
    post.arrive([Leaving(ada)])
    post.tick()
    assert not post.outbox.open, "the seat is gone, and so is who resumed it"


def test_inputs_are_open_until_they_are_applied() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.submit(ada, items(1, 3))
    post.outbox.submit(ada, items(2, 4))
    post.outbox.submit(ada, items(1, 4))
    asked = [one for one in post.outbox.take() if isinstance(one, Asked)]
    assert asked == [Asked(ada, items(1, 3)), Asked(ada, items(4, 4))], "no item is posted twice"
    post.arrive(list(asked))
    post.tick()
    everything = post.outbox.everything()
    assert everything[:2] == [Resumed(ada, 0, 2), Asked(ada, items(2, 4))]
    for _ in range(3):
        post.tick()
    assert (post.outbox.open, post.ground.row("Ada").inputs_applied) == (False, 4)


def test_inputs_are_asked_again_when_they_stand_still_and_not_before() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.submit(ada, items(1, 4))
    letter = post.outbox.take()
    assert post.outbox.standing() == [], "posted a moment ago"
    again: list[Request] = [Resumed(ada, 0, 1), Asked(ada, items(1, 4))]
    assert post.outbox.standing() == again
    post.arrive(letter)
    post.tick()
    assert post.outbox.standing() == [], "they move"
    assert post.outbox.standing() == [Resumed(ada, 0, 2), Asked(ada, items(2, 4))]
    # A letter that arrives twice is taken once.
    post.arrive([*again, *again])
    for _ in range(4):
        post.tick()
    row = post.ground.row("Ada")
    assert (row.input_seq, row.inputs_applied, row.inputs_skipped) == (4, 4, 0)


def test_items_of_which_the_first_were_lost_are_taken_from_where_they_begin() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.submit(ada, items(5, 6))
    post.arrive(post.outbox.take())
    post.tick()
    assert post.ground.row("Ada").input_seq == 0, "a gap: the room waits for items 1 to 4"
    assert post.outbox.standing() == []
    post.arrive(post.outbox.standing())
    post.tick()
    assert post.ground.row("Ada").input_seq == 5


def test_who_resumes_without_older_inputs_does_not_ask_for_them() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.submit(ada, items(1, 4))
    post.outbox.resume(ada, 0, 3)
    assert post.outbox.everything()[:2] == [Resumed(ada, 0, 3), Asked(ada, items(3, 4))]
    post.outbox.resume(ada, 0, 9)
    assert not post.outbox.open


def test_what_a_player_who_is_gone_asked_for_is_dropped() -> None:
    post = Post()
    ada = post.join("Ada")
    post.outbox.submit(ada, items(1, 4))
    post.arrive([Leaving(ada)])
    post.tick()
    assert not post.outbox.open


def test_of_a_players_items_as_many_are_kept_as_an_inbox_takes() -> None:
    outbox = Outbox()
    outbox.submit(3, items(1, INBOX_ITEMS_MAX + 10))
    [begin, asked, _] = outbox.everything()
    assert begin == Resumed(3, 0, 11)
    assert isinstance(asked, Asked)
    assert len(asked.items) == INBOX_ITEMS_MAX


def test_who_is_present_and_what_failed_is_posted_once_and_told_to_every_new_owner() -> None:
    outbox = Outbox()
    assert outbox.everything() == [NOBODY]
    outbox.report({3, 4}, 2)
    outbox.fail("visible fails")
    here = Present(frozenset({3, 4}), 2)
    assert outbox.take() == [here, Failed("visible fails")]
    assert (outbox.open, outbox.standing()) == (False, [])
    outbox.join(seat("Ada"))
    assert outbox.everything() == [seat("Ada"), here]
    assert outbox.take() == [], "what was fresh is in it"
