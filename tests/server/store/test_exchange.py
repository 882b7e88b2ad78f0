"""The contract of the exchange on every backend (server/store/exchange.py)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server.store.base import Record
from server.store.exchange import (
    MAKING_S,
    NONCE_S,
    PROCESS_TTL_S,
    PROMISE_S,
    Ended,
    Exchange,
    Gap,
    Listing,
    NewEpoch,
    News,
    NoSeat,
    Process,
    Released,
)
from server.store.redis_exchange import RedisExchange
from shared.limits import INTEGER_MAX
from tests.server.store.backends import OTHER, ROOM, WallClock
from tests.server.store.redis_ways import heard

Two = tuple[Exchange, Exchange]
THIRD = "room00000003"


def listing(room: str, free: int, key: str = "arena") -> Listing:
    return Listing(room, key, free, "a", b"\x00about")


def moved(clock: WallClock, seconds: float) -> None:
    clock.now_ms += int(seconds * 1000)


ALL_NEWS: list[News] = [
    NewEpoch(7, 41, "owner"),
    *(Record(7, tick, bytes([tick]) * 600) for tick in range(42, 60)),
    Record(INTEGER_MAX, INTEGER_MAX, b""),
    Released(7, 59, 12),
    Released(7, 59, 12, "heir"),
    Ended(7, 4003, "the match is over: é"),
]


async def test_followers_in_every_process_hear_all_news_in_their_order(exchanges: Two) -> None:
    near: list[News | Gap] = []
    far: list[News | Gap] = []
    twice: list[News | Gap] = []
    await exchanges[0].follow(ROOM, near.append)
    await exchanges[1].follow(ROOM, far.append)
    await exchanges[1].follow(ROOM, twice.append)
    for one in ALL_NEWS:
        exchanges[0].tell([(ROOM, one)])
    exchanges[0].tell([(OTHER, ALL_NEWS[0]), (ROOM, ALL_NEWS[-1])])
    told = [*ALL_NEWS, ALL_NEWS[-1]]
    await heard(lambda: len(near) == len(far) == len(twice) == len(told))
    assert near == far == twice == told


async def test_nothing_is_heard_in_the_middle_of_telling(exchanges: Two) -> None:
    found: list[News | Gap] = []
    await exchanges[0].follow(ROOM, found.append)
    exchanges[0].tell([(ROOM, ALL_NEWS[0])])
    assert found == []
    await heard(lambda: found == ALL_NEWS[:1])


async def test_who_cancels_hears_no_more_and_the_others_do(exchanges: Two) -> None:
    teller, follower = exchanges
    stays: list[News | Gap] = []
    goes: list[News | Gap] = []
    again: list[News | Gap] = []
    await follower.follow(ROOM, stays.append)
    leaving = await follower.follow(ROOM, goes.append)
    teller.tell([(ROOM, ALL_NEWS[0])])
    await heard(lambda: len(stays) == len(goes) == 1)
    leaving.cancel()
    leaving.cancel()
    teller.tell([(ROOM, ALL_NEWS[1])])
    await heard(lambda: len(stays) == 2)
    assert len(goes) == 1
    await follower.follow(ROOM, again.append)
    teller.tell([(ROOM, ALL_NEWS[2])])
    await heard(lambda: again == ALL_NEWS[2:3])
    assert len(goes) == 1


async def test_a_room_left_by_all_can_be_followed_at_once_again(exchanges: Two) -> None:
    teller, follower = exchanges
    for number in range(20):
        found: list[News | Gap] = []
        subscription = await follower.follow(ROOM, found.append)
        teller.tell([(ROOM, Record(1, number + 1, b""))])
        await heard(lambda found=found: bool(found))  # type: ignore[misc]
        assert found == [Record(1, number + 1, b"")]
        subscription.cancel()


async def test_a_hearer_that_raises_harms_nobody_else(
    exchanges: Two, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[News | Gap] = []

    def fail(news: News | Gap) -> None:
        raise RuntimeError(f"cannot hear {news}")

    await exchanges[1].follow(ROOM, fail)
    await exchanges[1].follow(ROOM, found.append)
    exchanges[0].tell([(ROOM, one) for one in ALL_NEWS])
    await heard(lambda: found == ALL_NEWS)
    assert "cannot hear" in caplog.text


@pytest.mark.parametrize("name", [ROOM, "local-1f2e", "a process: with } and {"])
async def test_letters_reach_all_who_listen_to_the_name_in_order(exchanges: Two, name: str) -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    others: list[bytes] = []
    await exchanges[0].listen(name, first.append)
    await exchanges[1].listen(name, second.append)
    await exchanges[1].listen(OTHER, others.append)
    posted = [b"", b"\x00", *(b"%d" % number for number in range(200)), bytes(100_000)]
    for letter in posted:
        exchanges[1].post(name, letter)
    await heard(lambda: len(first) == len(second) == len(posted))
    assert first == second == posted
    assert others == []


async def test_letters_and_news_of_one_room_are_not_confused(exchanges: Two) -> None:
    letters: list[bytes] = []
    news: list[News | Gap] = []
    await exchanges[0].listen(ROOM, letters.append)
    await exchanges[0].follow(ROOM, news.append)
    exchanges[1].post(ROOM, b"letter")
    exchanges[1].tell([(ROOM, ALL_NEWS[0])])
    await heard(lambda: bool(letters and news))
    assert (letters, news) == ([b"letter"], ALL_NEWS[:1])


async def test_a_process_is_listed_while_it_beats(exchanges: Two, clock: WallClock) -> None:
    one, two = exchanges
    b = Process("b", 3, open=True, games=("arena", "coins"))
    a = Process("a", 0, open=False, games=())
    await one.beat(b)
    await two.beat(a)
    assert await one.processes() == await two.processes() == [a, b]
    moved(clock, PROCESS_TTL_S - 0.1)
    await two.beat(replace(a, rooms=1))
    moved(clock, 0.1)
    assert await one.processes() == [replace(a, rooms=1)]
    await one.depart("a")
    await one.depart("a")
    assert await two.processes() == []


async def test_rooms_are_listed_until_they_are_delisted(exchanges: Two) -> None:
    one, two = exchanges
    await one.announce([listing(OTHER, 2), replace(listing(ROOM, 1), seated=(b"n",))])
    await one.announce([])
    assert await two.listings() == [listing(ROOM, 1), listing(OTHER, 2)]
    await two.announce([listing(ROOM, 0, "")])
    await one.delist(OTHER)
    await one.delist(OTHER)
    assert await one.listings() == [listing(ROOM, 0, "")]


async def test_seats_are_found_in_the_fullest_open_room_of_the_kind(exchanges: Two) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 3), listing(OTHER, 1), listing(THIRD, 0)])
    await one.announce([listing("room00000004", 1, "coins")])
    found = [await (one, two)[n % 2].find_seat("arena", b"%d" % n) for n in range(4)]
    assert found == [OTHER, ROOM, ROOM, ROOM]
    assert await two.find_seat("coins", b"c") == "room00000004"
    assert await two.find_seat("arena", b"late") is NoSeat.MAKE


async def test_rooms_equally_full_are_filled_in_the_order_of_their_ids(exchanges: Two) -> None:
    await exchanges[0].announce([listing(OTHER, 2), listing(ROOM, 2)])
    found = [await exchanges[1].find_seat("arena", b"%d" % n) for n in range(4)]
    assert found == [ROOM, ROOM, OTHER, OTHER]


async def test_the_same_nonce_is_sent_to_the_same_room(exchanges: Two, clock: WallClock) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 1), listing(OTHER, 5)])
    assert await one.find_seat("arena", b"\x00\xffn") == ROOM
    await one.announce([listing(ROOM, 0)])
    moved(clock, NONCE_S - 0.1)
    assert await two.find_seat("arena", b"\x00\xffn") == ROOM
    moved(clock, 0.2)
    assert await two.find_seat("arena", b"\x00\xffn") == OTHER
    await one.delist(OTHER)
    assert await two.find_seat("arena", b"\x00\xffn") is NoSeat.MAKE


async def test_a_promise_ends_by_its_time_or_when_its_seat_is_taken(
    exchanges: Two, clock: WallClock
) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 2)])
    assert [await two.find_seat("arena", nonce) for nonce in (b"a", b"b")] == [ROOM, ROOM]
    assert await two.find_seat("arena", b"c") is NoSeat.MAKE
    # One came: its promise and a free seat are gone together, and b's promise stands.
    await one.announce([replace(listing(ROOM, 1), seated=(b"a", b"never promised"))])
    assert await two.find_seat("arena", b"c") is NoSeat.MAKE
    moved(clock, PROMISE_S - 0.1)
    assert await two.find_seat("arena", b"c") is NoSeat.MAKE
    moved(clock, 0.1)
    assert await two.find_seat("arena", b"c") == ROOM
    assert await two.find_seat("arena", b"d") is NoSeat.WAIT


async def test_a_room_listed_anew_owes_nothing_to_the_promises_of_before(
    exchanges: Two, clock: WallClock
) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 1)])
    assert await two.find_seat("arena", b"a") == ROOM
    await one.delist(ROOM)
    await one.announce([listing(ROOM, 1)])
    moved(clock, 1)
    assert await two.find_seat("arena", b"b") == ROOM
    moved(clock, PROMISE_S - 0.5)
    assert await two.find_seat("arena", b"c") is NoSeat.MAKE


async def test_a_room_that_changes_its_kind_is_found_under_the_new_one(exchanges: Two) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 1)])
    await one.announce([listing(ROOM, 1, "coins")])
    assert await two.find_seat("arena", b"a") is NoSeat.MAKE
    assert await two.find_seat("coins", b"a") == ROOM


async def test_one_makes_a_room_and_the_others_wait_for_it(
    exchanges: Two, clock: WallClock
) -> None:
    one, two = exchanges
    await one.announce([listing(OTHER, 0)])
    assert await one.find_seat("arena", b"a") is NoSeat.MAKE
    assert await two.find_seat("arena", b"b") is NoSeat.WAIT
    assert await two.find_seat("coins", b"b") is NoSeat.MAKE
    assert await one.find_seat("arena", b"a") is NoSeat.MAKE
    # A full room of the kind that says something new is not the one they wait for.
    await one.announce([listing(OTHER, 0)])
    assert await two.find_seat("arena", b"b") is NoSeat.WAIT
    moved(clock, MAKING_S)
    assert await two.find_seat("arena", b"b") is NoSeat.MAKE
    assert await one.find_seat("arena", b"a") is NoSeat.WAIT
    await two.announce([listing(ROOM, 1)])
    assert await one.find_seat("arena", b"a") == ROOM
    assert await one.find_seat("arena", b"c") is NoSeat.MAKE


async def test_a_new_room_that_is_full_at_once_is_what_was_made(exchanges: Two) -> None:
    one, two = exchanges
    assert await one.find_seat("arena", b"a") is NoSeat.MAKE
    assert await two.find_seat("arena", b"b") is NoSeat.WAIT
    # A game of one seat: nobody else will find one there, so nobody waits for it.
    await one.announce([listing(ROOM, 0)])
    assert await two.find_seat("arena", b"b") is NoSeat.MAKE
    assert await one.find_seat("arena", b"c") is NoSeat.WAIT


async def test_of_many_who_ask_at_once_as_many_find_a_seat_as_there_are(exchanges: Two) -> None:
    await exchanges[0].announce([listing(ROOM, 4), listing(OTHER, 3)])
    found = await asyncio.gather(
        *(exchanges[n % 2].find_seat("arena", b"nonce %d" % n) for n in range(20))
    )
    assert [found.count(each) for each in (ROOM, OTHER, NoSeat.MAKE, NoSeat.WAIT)] == [4, 3, 1, 12]


async def test_one_nonce_is_sent_to_one_room_whichever_process_asks(exchanges: Two) -> None:
    one, two = exchanges
    assert await one.find_seat("arena", b"a", "one") is NoSeat.MAKE
    assert await two.find_seat("arena", b"a", "two") is NoSeat.WAIT, "the same JOIN, elsewhere"
    assert await one.find_seat("arena", b"a", "one") is NoSeat.MAKE, "it may fail and try again"
    await one.announce([replace(listing(ROOM, 2), made_for=(b"a",)), listing(OTHER, 1)])
    assert await two.find_seat("arena", b"a", "two") == ROOM, "though another is fuller"


async def test_a_room_of_a_nonces_own_is_made_once_and_found_through_any_process(
    exchanges: Two, clock: WallClock
) -> None:
    one, two = exchanges
    await one.announce([listing(OTHER, 4), listing(THIRD, 4, "")])
    assert await one.find_seat("", b"a", "one") is NoSeat.MAKE, "nobody else's room is its own"
    assert await two.find_seat("", b"a", "two") is NoSeat.WAIT
    assert await two.find_seat("", b"b", "two") is NoSeat.MAKE, "another waits for nobody"
    await one.announce([replace(listing(ROOM, 4, ""), made_for=(b"a",))])
    assert await two.find_seat("", b"a", "two") == ROOM
    assert await two.find_seat("", b"b", "two") is NoSeat.MAKE
    moved(clock, NONCE_S)
    assert await two.find_seat("", b"a", "two") is NoSeat.MAKE, "no JOIN is repeated for so long"
    moved(clock, MAKING_S)
    assert await one.find_seat("", b"a", "one") is NoSeat.MAKE, "who was to make it is gone"


async def test_a_room_made_for_a_nonce_keeps_it_a_seat(exchanges: Two, clock: WallClock) -> None:
    one, two = exchanges
    await one.announce([replace(listing(ROOM, 2), made_for=(b"a",))])
    assert await two.find_seat("arena", b"b") == ROOM
    assert await two.find_seat("arena", b"c") is NoSeat.MAKE
    await one.announce([replace(listing(ROOM, 1), seated=(b"a",))])
    assert await two.find_seat("arena", b"c") is NoSeat.MAKE, "b is on the way"
    moved(clock, PROMISE_S)
    assert await two.find_seat("arena", b"c") == ROOM


async def test_two_who_come_at_once_for_two_seats_find_one_room(exchanges: Two) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 2), listing(OTHER, 2)])
    # Owners tell of seats that are taken together with the nonces that took them.
    assert await one.find_seat("arena", b"a") == ROOM
    await one.announce([listing(ROOM, 2)])
    assert await two.find_seat("arena", b"b") == ROOM
    await one.announce([replace(listing(ROOM, 1), seated=(b"a",))])
    assert await two.find_seat("arena", b"c") == OTHER
    await one.announce([replace(listing(ROOM, 0), seated=(b"b",))])
    assert await two.find_seat("arena", b"d") == OTHER
    assert await two.find_seat("arena", b"e") is NoSeat.MAKE


async def test_a_room_that_refused_a_nonce_is_not_found_by_it_again(exchanges: Two) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 1), listing(OTHER, 2), listing(THIRD, 3)])
    assert await one.find_seat("arena", b"a") == ROOM
    assert await two.find_seat("arena", b"a", "two", (ROOM,)) == OTHER
    assert await one.find_seat("arena", b"b") == ROOM, "the seat there is promised to nobody"
    assert await one.find_seat("arena", b"a") == OTHER
    assert await one.find_seat("arena", b"a", "one", (ROOM, OTHER)) == THIRD
    assert await one.find_seat("arena", b"a", "one", (ROOM, OTHER, THIRD)) is NoSeat.MAKE
    assert [await two.find_seat("arena", nonce) for nonce in (b"c", b"d")] == [OTHER, OTHER]
    assert await two.find_seat("arena", b"e") == THIRD


async def test_a_sleeping_rooms_promises_end_without_making_it_one_of_a_kind(
    exchanges: Two, clock: WallClock
) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 1)])
    assert await two.find_seat("arena", b"a") == ROOM
    await one.announce([listing(ROOM, 0, "")])
    assert await two.find_seat("arena", b"a") == ROOM, "it is woken by who was sent there"
    moved(clock, PROMISE_S)
    assert await two.find_seat("arena", b"b") is NoSeat.MAKE
    await one.announce([listing(ROOM, 1)])
    assert await two.find_seat("arena", b"b") == ROOM


async def test_who_only_watches_is_promised_no_seat(exchanges: Two) -> None:
    one, two = exchanges
    await one.announce([listing(ROOM, 1)])
    assert [await two.find_seat("arena", b"") for _ in range(3)] == [ROOM] * 3
    assert await one.find_seat("arena", b"a") == ROOM
    assert await one.find_seat("arena", b"") is NoSeat.MAKE, "a full room is not found"


async def test_a_process_that_is_stuck_is_marked_for_a_while(
    exchanges: tuple[Exchange, Exchange],
) -> None:
    here, there = exchanges
    assert await there.stuck_in("a") == ""
    await here.mark_stuck("a", "coins123", 30)
    assert await there.stuck_in("a") == "coins123"
    assert await there.stuck_in("b") == ""
    await here.mark_stuck("a", "pond4567", 30)
    assert await there.stuck_in("a") == "pond4567"
    await here.mark_stuck("a", "", 30)
    assert await there.stuck_in("a") == ""
    if isinstance(here, RedisExchange):
        # The memory's clock is this test's, and stands still.
        await here.mark_stuck("a", "coins123", 0.05)
        await asyncio.sleep(0.1)
        assert await there.stuck_in("a") == ""


async def test_a_process_that_is_kept_for_slow_rooms_is_known_as_such(
    exchanges: tuple[Exchange, Exchange],
) -> None:
    here, there = exchanges
    kept, other = Process("a", 1, True, ("coins",), slow=True), Process("b", 2, True, ("coins",))
    await here.beat(kept)
    await here.beat(other)
    assert await there.processes() == [kept, other]
