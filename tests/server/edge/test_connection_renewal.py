"""A connection is renewed before its time is up: first the second one, then the first one's end."""

from __future__ import annotations

import pytest

from shared.errors import CloseCode
from shared.messages import Close, Frame, Renew, Resume, Welcome
from tests.server.core.yard import Cave, Yard
from tests.server.edge.desk import Caller, Desk, Line, closing
from tests.server.host.rig import player
from tests.simulation.loop import virtually


def second(desk: Desk, caller: Caller) -> Line:
    """Another line that resumes the caller's session, whose client does not yet listen to it."""
    assert caller.session.welcome is not None
    held = caller.session.view.tick if caller.session.view else 0
    line = desk.line()
    first = caller.session.last_seq + 1 - caller.session.waiting
    line.say(Resume(caller.session.welcome.token, 0, held, first).encode())
    return line


@pytest.mark.parametrize("game", [Yard(), Cave()])
def test_both_connections_are_served_until_the_new_one_has_proven_itself(game: Yard) -> None:
    async def scenario() -> None:
        desk = await Desk(game, lifetime_s=3.0, digest_ticks=1).start()
        ada = await desk.call("Ada", type(game).__name__.lower())
        old = ada.line
        await desk.seconds(2.9)
        assert [renew.deadline_ms for renew in old.of(Renew)] == [1500]
        new = ada.connect()
        ada.silent = True
        await desk.seconds(0.5)
        assert old.ending is None
        on_both = {one.tick for one in new.of(Frame)} & {one.tick for one in old.of(Frame)}
        assert len(on_both) >= 8, "the old one goes on while nothing is known of the new one"
        assert desk.only_room().census.players == 1
        assert player(desk.only_room(), "Ada").connected is True
        ada.silent = False
        await desk.seconds(0.5)
        code, reason = closing(old)
        assert (code, reason) == (CloseCode.REPLACED, "this connection was renewed")
        assert old.of(Frame)[-1].tick < new.of(Frame)[-1].tick
        assert (ada.session.stats.divergence, new.of(Close)) == (0, [])
        assert [one.token for one in old.of(Welcome)] != [one.token for one in new.of(Welcome)]
        await desk.stop()

    virtually(scenario())


def test_a_client_that_does_not_renew_is_closed_at_the_deadline_and_may_resume() -> None:
    async def scenario() -> None:
        desk = await Desk(lifetime_s=3.0).start()
        ada = await desk.call("Ada")
        old = ada.line
        await desk.seconds(4.2)
        assert old.ending is None
        await desk.seconds(0.3)
        code, reason = closing(old)
        assert (code, reason) == (
            CloseCode.GOING_AWAY,
            "this connection has reached its age; resume",
        )
        assert old.of(Close)[0].retry_after_ms == 0
        ada.session.lost()
        ada.connect()
        await desk.seconds(0.3)
        assert player(desk.only_room(), "Ada").connected is True
        await desk.stop()

    virtually(scenario())


def test_a_successor_that_fails_leaves_the_old_connection_in_service() -> None:
    async def scenario() -> None:
        desk = await Desk(lifetime_s=3.0, digest_ticks=1).start()
        ada = await desk.call("Ada")
        await desk.seconds(3)
        for _ in range(3):
            new = second(desk, ada)
            await desk.seconds(0.1)
            new.abort()
            await desk.seconds(0.1)
            ada.post(1)
        await desk.seconds(0.3)
        assert ada.line.ending is None
        row = player(desk.only_room(), "Ada")
        assert (row.connected, row.input_seq, ada.session.waiting) == (True, 3, 0)
        assert ada.session.stats.divergence == 0
        await desk.stop()

    virtually(scenario())


def test_who_opens_sockets_without_end_holds_two() -> None:
    async def scenario() -> None:
        desk = await Desk(lifetime_s=3.0).start()
        ada = await desk.call("Ada")
        await desk.seconds(3)
        lines: list[Line] = []
        for _ in range(6):
            lines.append(second(desk, ada))
            await desk.seconds(0.1)
        assert [line.ending is None for line in lines] == [False] * 5 + [True]
        assert {closing(line)[0] for line in lines[:-1]} == {CloseCode.REPLACED}
        assert ada.line.ending is None, "the one that is renewed"
        assert desk.edge.sessions == 2
        await desk.seconds(1.5)
        assert closing(ada.line)[0] is CloseCode.GOING_AWAY
        assert desk.edge.sessions == 1
        await desk.stop()

    virtually(scenario())


def test_without_a_renewal_a_second_socket_ends_the_first() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada = await desk.call("Ada")
        second(desk, ada)
        await desk.seconds(0.1)
        assert closing(ada.line)[0] is CloseCode.REPLACED
        await desk.stop()

    virtually(scenario())


def test_all_connections_are_renewed_when_the_process_is_to_leave() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        people = [await desk.call(name) for name in ("Ada", "Bob", "Cid")]
        silent = desk.line()
        desk.edge.renew_all(5.0)
        assert [one.deadline_ms for person in people for one in person.line.of(Renew)] == [5000] * 3
        assert silent.of(Renew) == []
        await desk.seconds(5.1)
        assert {closing(person.line)[0] for person in people} == {CloseCode.GOING_AWAY}
        await desk.stop()

    virtually(scenario())
