"""A room that is followed ends here when it is over, or when it cannot be followed; never else."""

from __future__ import annotations

import logging

import pytest

from server.core.ports import Publication
from server.store.base import Status as StoredStatus
from server.store.base import StoreCorrupt
from server.store.exchange import Ended, Gap
from shared.errors import CloseCode, StoreError
from tests.server.host.pair import hears, two
from tests.simulation.loop import virtually


@pytest.mark.parametrize(
    ("becomes", "code"),
    [
        (StoredStatus.CLOSED, CloseCode.ROOM_CLOSED),
        (StoredStatus.QUARANTINED, CloseCode.GAME_FAILED),
    ],
)
def test_a_room_that_ended_unheard_ends_here_too(becomes: StoredStatus, code: CloseCode) -> None:
    async def scenario() -> None:
        both = await two()
        await both.one.kill()
        await both.one.store.set_status(both.room.id, both.copy.epoch, becomes)
        hears(both, Gap())
        await both.one.seconds(0.1)
        assert both.there.end is not None
        assert both.there.end[0] is code
        assert both.two.host.rooms() == []
        await both.two.stop()

    virtually(scenario())


def test_an_end_that_is_heard_is_told_with_its_reason_once() -> None:
    async def scenario() -> None:
        both = await two()
        ended = Ended(both.copy.epoch, CloseCode.ROOM_CLOSED, "enough")
        hears(both, ended)
        hears(both, ended)
        hears(both, Gap())
        await both.one.seconds(0.5)
        assert both.there.end == (CloseCode.ROOM_CLOSED, "enough")
        assert both.copy.over == both.there.end
        assert both.two.host.rooms() == []
        assert both.room.id not in both.one.exchange._followers, "it follows no more"
        await both.stop()

    virtually(scenario())


def test_a_journal_that_cannot_be_followed_ends_the_room_here_alone() -> None:
    async def scenario() -> None:
        both = await two()

        async def tail(room: str, tick: int) -> None:
            raise StoreCorrupt("torn")

        both.two.store.tail = tail  # type: ignore[method-assign, assignment]
        hears(both, Gap())
        await both.one.seconds(0.5)
        assert both.there.end == (
            CloseCode.UNAVAILABLE,
            "the room cannot be read here; try again",
        )
        assert both.here.end is None
        assert both.here.ticks[-1] == both.room.census.tick
        await both.stop()

    virtually(scenario())


@pytest.mark.parametrize("trouble", ["published", "an end of no kind we know", "asking the store"])
def test_a_bug_of_ours_ends_the_room_it_shows_in_here_alone(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        both = await two()

        def crash(publication: Publication) -> None:
            raise ZeroDivisionError("a bug of ours")

        async def tail(room: str, tick: int) -> StoreError:
            raise ZeroDivisionError("a bug of ours")

        with caplog.at_level(logging.CRITICAL):
            if trouble == "published":
                both.there.published = crash  # type: ignore[method-assign]
            elif trouble == "asking the store":
                both.two.store.tail = tail  # type: ignore[method-assign, assignment]
                hears(both, Gap())
            else:
                hears(both, Ended(both.copy.epoch, 99, "of a later release"))
            await both.one.seconds(0.5)
        assert "following it failed" in caplog.text
        assert both.there.end == (CloseCode.UNAVAILABLE, "the server failed; try again")
        assert both.two.host.rooms() == []
        assert both.here.end is None
        assert both.here.ticks[-1] == both.room.census.tick
        await both.stop()

    virtually(scenario())
