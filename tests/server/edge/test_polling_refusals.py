"""What a poll is refused for, and that nobody else feels it."""

from __future__ import annotations

import asyncio

import pytest

from server.core.tokens import Seat, issue
from shared.errors import CloseCode
from shared.limits import (
    MESSAGE_BYTES_MAX,
    MESSAGES_BURST,
    POLL_MESSAGES_MAX,
    PROVE_S,
)
from shared.messages import Close, Frame, InputItem, InputMessage, Resume, Time
from shared.polls import join_messages
from tests.server.core.yard import nonce
from tests.server.edge.desk import SECRET, Desk, closing
from tests.server.edge.pollster import Pollster, closed, decoded, request
from tests.server.host.rig import player
from tests.simulation.loop import virtually

PAGE = "https://play.example"


def test_a_token_must_be_ours_fresh_and_whole_and_is_judged_before_anything_is_touched() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.poll()
        await ada.play(1)
        room, seat = desk.only_room(), ada.session.player
        good = ada.session.welcome.token if ada.session.welcome else b""

        def signed(age_s: float = 0, *, name: str = "Ada", where: str = room.id) -> bytes:
            return issue(SECRET, Seat(where, seat, nonce(name)), 1_000_000 - age_s)

        tries = [
            (good[:-1] + bytes((good[-1] ^ 1,)), CloseCode.BAD_TOKEN, "does not know your session"),
            (good[:-3], CloseCode.BAD_TOKEN, "does not know your session"),
            (b"", CloseCode.BAD_TOKEN, "does not know your session"),
            (issue(b"t" * 32, Seat(room.id, seat, nonce("Ada")), 1_000_000), 4401, "does not know"),
            (signed(where="z" * 20), CloseCode.ROOM_CLOSED, "the room is over"),
            (signed(-10, name="Bob"), CloseCode.ROOM_CLOSED, "the seat was given up"),
        ]
        for proof, code, said in tries:
            # The next input of hers, were it taken, would push her dot.
            steal = InputMessage(0, (InputItem(ada.session.last_seq + 1, [3, 0]),))
            told = await ada.ask(Resume(proof, 0, 0, 1).encode(), steal.encode())
            found, reason = closed(told)
            assert (found, said in reason) == (code, True)
        await desk.seconds(0.1)
        assert desk.polling.sessions == 1, "and hers is none the worse"
        await ada.play(5)
        await ada.settle()
        assert player(room, "Ada").input_seq == ada.session.last_seq == 6
        await desk.stop()

    virtually(scenario())


def test_what_is_no_poll_is_refused_with_what_would_be_right() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.play(1)
        hello, *_ = ada.session.poll()
        item = InputItem(ada.session.last_seq + 5, None)
        tries = [
            (b"", CloseCode.BAD_MESSAGE, "first message of a poll must be JOIN or RESUME"),
            (b"\1\0", CloseCode.BAD_MESSAGE, "message 1 of the body is cut short"),
            (b"\xff\xff\xff\xff" + hello, CloseCode.BAD_MESSAGE, "cut short"),
            (join_messages([hello])[:-1], CloseCode.BAD_MESSAGE, "cut short"),
            (join_messages([b"\xc1"]), CloseCode.BAD_MESSAGE, "not msgpack"),
            (join_messages([b""]), CloseCode.BAD_MESSAGE, "not msgpack"),
            (join_messages([Time(1).encode(), hello]), CloseCode.BAD_MESSAGE, "must be JOIN"),
            (join_messages([hello, hello]), CloseCode.BAD_MESSAGE, "it comes first"),
            (
                join_messages([hello, *[Time(1).encode()] * POLL_MESSAGES_MAX]),
                CloseCode.BAD_MESSAGE,
                f"at most {POLL_MESSAGES_MAX} messages",
            ),
            (
                join_messages([hello, bytes(MESSAGE_BYTES_MAX + 1)]),
                CloseCode.MESSAGE_TOO_BIG,
                f"at most {MESSAGE_BYTES_MAX}",
            ),
            (
                join_messages([hello, InputMessage(0, (item,)).encode()]),
                CloseCode.BAD_MESSAGE,
                "leaves a gap",
            ),
            (
                join_messages([hello, InputMessage(10**6, ()).encode()]),
                CloseCode.BAD_MESSAGE,
                "was never sent",
            ),
        ]
        for body, code, said in tries:
            found, reason = closed(decoded(await desk.polling.answer(request(body))))
            assert (found, said in reason, reason) == (code, True, reason)
        await ada.play(3)
        await ada.settle()
        assert player(desk.only_room(), "Ada").input_seq == 4
        assert desk.failures == []
        await desk.stop()

    virtually(scenario())


def test_inputs_from_the_past_are_dropped_and_a_tick_from_the_future_begins_anew() -> None:
    async def scenario() -> None:
        desk = await Desk(digest_ticks=1).start()
        ada = Pollster(desk, "Ada")
        await ada.play(6)
        await ada.settle()
        assert ada.session.welcome is not None
        token = ada.session.welcome.token
        old = InputMessage(0, tuple(InputItem(seq, [1, 0]) for seq in range(1, 7)))
        await ada.ask(Resume(token, ada.session.welcome.epoch, 1, 1).encode(), old.encode())
        row = player(desk.only_room(), "Ada")
        assert (row.input_seq, row.inputs_applied + row.inputs_skipped) == (6, 6)
        told = await ada.ask(Resume(token, ada.session.welcome.epoch, 10**9, 7).encode())
        assert [one.base for one in told if isinstance(one, Frame)] == [0]
        await ada.play(3)
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"origin": PAGE}, 200),
        ("POST", {}, 200),
        ("POST", {"origin": "https://evil.example"}, 403),
        ("POST", {"origin": f"{PAGE}, {PAGE}"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("OPTIONS", {"origin": PAGE}, 204),
        ("OPTIONS", {"origin": "https://evil.example"}, 403),
        ("GET", {"origin": PAGE}, 405),
        ("PUT", {}, 405),
    ],
)
def test_pages_may_poll_by_the_rule_for_websockets(
    method: str, headers: dict[str, str], status: int
) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        body = join_messages(Pollster(desk, "Ada").session.poll())
        response = await desk.polling.answer(request(body, method=method, headers=headers))
        sent = dict(response.headers)
        assert response.status == status
        admitted = headers.get("origin") == PAGE
        assert (sent.get("Access-Control-Allow-Origin") == PAGE) is admitted
        assert ("Vary" in sent) is admitted
        if status == 200:
            assert (sent["Cache-Control"], sent["X-Accel-Buffering"]) == ("no-store", "no")
        await desk.seconds(0.2)
        assert bool(desk.rig.host.rooms()) is (status == 200), "a refused page seats nobody"
        await desk.stop()

    virtually(scenario())


def test_one_session_may_poll_so_fast_and_no_faster() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = Pollster(desk, "Ada"), Pollster(desk, "Bob")
        await ada.poll()
        await bob.poll()
        polls = [ada.poll(lose=True) for _ in range(MESSAGES_BURST + 50)]
        told = await asyncio.gather(*polls)
        codes = [closed(one)[0] for one in told if one and isinstance(one[-1], Close)]
        assert CloseCode.TOO_FAST in codes
        await bob.play(3)
        await bob.settle()
        assert bob.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_an_address_may_hold_and_begin_so_many_sessions_and_others_still_get_in() -> None:
    async def scenario() -> None:
        desk = await Desk(sessions_max=30).start()
        told = [await Pollster(desk, f"Ada {n}", private=True).poll() for n in range(3)]
        assert desk.polling.sessions == 3
        told = [await Pollster(desk, f"Bob {n}", "none").poll() for n in range(60)]
        codes = [closed(one) for one in told]
        assert codes[0][0] == CloseCode.NOT_FOUND
        assert codes[-1] == (
            CloseCode.UNAVAILABLE,
            "this address begins sessions too fast; try again",
        )
        other = Pollster(desk, "Cid")
        other.address = "192.0.2.10"
        await other.play(2)
        assert other.held > 0
        await desk.stop()

    virtually(scenario())


def test_many_addresses_for_one_session_are_one_session() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        for turn in range(30):
            ada.address = f"198.51.100.{turn}"
            await ada.play(1)
        await ada.settle()
        assert desk.polling.sessions == 1
        assert player(desk.only_room(), "Ada").input_seq == 30
        await desk.stop()

    virtually(scenario())


def test_a_full_process_says_so() -> None:
    async def scenario() -> None:
        desk = await Desk(sessions_max=2).start()
        for name in ("Ada", "Bob"):
            await Pollster(desk, name).poll()
        code, reason = closed(await Pollster(desk, "Cid").poll())
        assert (code, reason) == (CloseCode.UNAVAILABLE, "this process takes no more players")
        await desk.stop()

    virtually(scenario())


def test_the_socket_wins_over_polls_of_an_older_conversation_and_yields_to_its_own() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        caller = await desk.call("Ada")
        ada = Pollster(desk, "Ada")
        ada.session = caller.session
        first = caller.session.welcome
        assert first is not None
        await desk.seconds(0.2)
        # Her socket died without the server's knowledge: the poll names the token it brought.
        await ada.poll()
        assert closing(caller.line)[0] is CloseCode.REPLACED
        await ada.play(3)
        # Back on a socket: the poll that waits is told nothing, and the next one is none of hers.
        line = caller.line
        waiting = asyncio.ensure_future(ada.poll(lose=True))
        caller.connect()
        await desk.seconds(0.3)
        assert caller.line is not line
        assert await waiting == []
        again = caller.session.welcome
        assert again is not None
        assert again.token != first.token
        caller.post(1)
        await desk.seconds(0.3)
        told = await ada.ask(Resume(first.token, first.epoch, 0, 1).encode())
        assert closed(told) == (CloseCode.REPLACED, "another connection took this seat")
        assert caller.line.ending is None, "who sits there plays on"
        await desk.stop()

    virtually(scenario())


def test_the_older_token_lives_until_frames_are_known_to_arrive_on_the_new_socket() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = Pollster(desk, "Ada")
        await ada.play(3)
        assert ada.session.welcome is not None
        line = desk.line()
        # A proxy lets the RESUME through, and nothing back: polls wait a while, and go on.
        line.say(Resume(ada.session.welcome.token, 0, ada.held, ada.session.last_seq).encode())
        await desk.seconds(0.3)
        assert await ada.poll() == []
        assert line.ending is None
        await desk.seconds(PROVE_S)
        await ada.play(3)
        await ada.settle()
        assert closing(line)[0] is CloseCode.REPLACED
        assert player(desk.only_room(), "Ada").input_seq == 6
        await desk.stop()

    virtually(scenario())
