"""One session at two processes at once, by a socket here and by polls there (SESSION rule 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.errors import CloseCode
from shared.limits import PROVE_S
from shared.messages import Frame, Resume
from shared.session import ClientState
from tests.server.edge.desk import Caller, Desk, closing
from tests.server.edge.pollster import Pollster, closed
from tests.server.host.rig import player
from tests.simulation.loop import virtually

TAKEN = (CloseCode.REPLACED, "another connection took this seat")
# More than it takes from a row's change at the owner to whoever follows it.
HEARD_S = 0.3


class Both:
    """Ada on a socket at one process, which owns the room, and a pollster of hers at another."""

    def __init__(self, one: Desk, two: Desk, caller: Caller) -> None:
        self.one, self.two, self.caller = one, two, caller
        self.pollster = Pollster(two, "Ada")
        self.copy_token()

    @property
    def applied(self) -> int:
        """How many of her inputs were applied."""
        count: int = player(self.one.only_room(), "Ada").inputs_applied
        return count

    def copy_token(self) -> None:
        """The pollster knows the caller's token, as a duplicated tab does."""
        self.pollster.session.welcome = self.caller.session.welcome


def played(scenario: Callable[[Both], Awaitable[None]]) -> None:
    """Play a scenario; whatever it does, one seat is all there ever is."""

    async def play() -> None:
        one = await Desk().start()
        two = await Desk(seed=2, beside=one).start()
        both = Both(one, two, await one.call("Ada"))
        both.caller.post(1)
        await one.seconds(HEARD_S)
        await scenario(both)
        assert [row.name for row in one.only_room().match.players] == ["Ada"]
        assert one.failures == two.failures == []
        await two.stop()
        await one.stop()

    virtually(play())


def test_a_poll_with_the_sockets_token_takes_the_seat_at_another_process() -> None:
    async def scenario(both: Both) -> None:
        # The socket died on its client, and nobody at the first process knows.
        assert any(isinstance(message, Frame) for message in await both.pollster.poll())
        await both.one.seconds(HEARD_S)
        assert closing(both.caller.line) == TAKEN
        assert both.one.edge.sessions == 0
        before = both.applied
        await both.pollster.play(6)
        await both.pollster.settle()
        # The caller's only input had seq 1, and so had the pollster's first.
        assert both.applied == before + 5

    played(scenario)


def test_a_socket_takes_the_seat_from_polls_at_another_process() -> None:
    async def scenario(both: Both) -> None:
        await both.pollster.play(3)
        waiting = asyncio.ensure_future(both.pollster.poll(lose=True))
        await both.one.seconds(0)
        line = both.caller.connect()
        assert not any(isinstance(m, Frame) and m.base == 0 for m in await waiting)
        await both.one.seconds(HEARD_S)
        both.caller.post(1)
        await both.one.seconds(HEARD_S)
        assert closed(await both.pollster.poll(lose=True)) == TAKEN
        frames = len(both.caller.frames)
        await both.one.seconds(HEARD_S)
        assert line.ending is None
        assert len(both.caller.frames) > frames, "who has the seat is not disturbed"

    played(scenario)


def test_polls_of_an_older_token_disturb_nobody_however_long_they_go_on() -> None:
    async def scenario(both: Both) -> None:
        old = both.caller.session.welcome
        assert old is not None
        both.caller.connect()
        await both.one.seconds(HEARD_S)
        both.caller.post(2)
        await both.one.seconds(PROVE_S + 1)
        before = both.applied
        for _ in range(5):
            told = await both.pollster.ask(Resume(old.token, old.epoch, 0, 1).encode())
            assert closed(told) == TAKEN
        assert both.caller.line.ending is None
        assert both.applied == before

    played(scenario)


def test_an_older_token_lives_until_frames_are_known_to_arrive_at_the_other_process() -> None:
    async def scenario(both: Both) -> None:
        await both.pollster.play(3)
        await both.pollster.settle()
        session = both.pollster.session
        assert session.welcome is not None
        # A proxy lets a RESUME through to the one process, and nothing back.
        line, first = both.one.line(), session.last_seq + 1
        line.say(Resume(session.welcome.token, 0, both.pollster.held, first).encode())
        await both.one.seconds(HEARD_S)
        assert line.of(Frame)
        began = asyncio.get_running_loop().time()
        tick = both.pollster.held
        while both.pollster.held == tick:
            await both.pollster.poll()
        waited_s = asyncio.get_running_loop().time() - began
        assert waited_s < PROVE_S + 1, "after a while it is served again"
        assert waited_s > PROVE_S / 2, "and not before"
        await both.one.seconds(HEARD_S)
        assert closing(line) == TAKEN
        before = both.applied
        await both.pollster.play(3)
        await both.pollster.settle()
        assert both.applied == before + 3

    played(scenario)


def test_both_at_the_same_moment_leave_the_socket_and_double_nothing() -> None:
    async def scenario(both: Both) -> None:
        before = both.applied
        polling = asyncio.ensure_future(both.pollster.poll(lose=True))
        both.caller.connect()
        await both.one.seconds(HEARD_S)
        both.caller.post(1)
        await both.one.seconds(HEARD_S)
        await polling
        # Its token is newer than the one the poll names.
        assert both.caller.line.ending is None
        assert closed(await both.pollster.poll(lose=True)) == TAKEN
        assert both.applied == before + 1

    played(scenario)


def test_a_seat_changes_hands_as_often_as_somebody_takes_it_and_is_left_in_the_end() -> None:
    async def scenario(both: Both) -> None:
        for _ in range(4):
            both.copy_token()
            await both.pollster.poll()
            await both.one.seconds(HEARD_S)
            assert closing(both.caller.line) == TAKEN
            both.caller.session.closed = None
            both.caller.connect()
            await both.one.seconds(HEARD_S)
            assert both.caller.session.state is ClientState.LIVE
        assert player(both.one.only_room(), "Ada").connected
        both.caller.hang_up()
        await both.one.seconds(HEARD_S)
        assert not player(both.one.only_room(), "Ada").connected, "no poll of long ago holds it"
        assert both.two.polling.sessions == 0

    played(scenario)
