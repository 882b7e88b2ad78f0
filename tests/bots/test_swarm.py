"""Swarms in an arena: all is well when it is, and each fault is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from bots.brains import Brain, load_brain
from bots.clock import LoopClock
from bots.counters import Ask, asker
from bots.report import Applied, Report
from bots.swarm import Plan, Progress, Swarm
from bots.websocket import open_websocket
from shared.errors import ConfigError
from shared.messages import Leave, Role
from shared.view import View
from tests.bots.arena import Arena, Push, Say

# The sockets are tested on each loop beside; here it is the arithmetic that counts.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


class Pusher:
    """Pushes, and every tenth tick says something that is refused."""

    def think(self, view: View, rng: Random) -> tuple[Push | None, Sequence[Say]]:
        return Push(by=rng.randint(-3, 3)), [Say(words="no")] if view.tick % 10 == 0 else []


def swarm(arena: Arena, brain: type[Brain] = Pusher, ask: Ask | None = None, **plan: Any) -> Swarm:
    asked: dict[str, Any] = {"game": "field", "count": 6, "seconds": 0.5} | plan
    return Swarm(
        Plan(arena.url, **asked),
        brain,
        connect=open_websocket,
        clock=LoopClock(),
        rng=Random(1),
        ask=ask or arena.ask,
    )


async def run(arena: Arena, **plan: Any) -> Report:
    return await swarm(arena, **plan).run()


async def test_a_swarm_that_saw_nothing_wrong_says_so(arena: Arena) -> None:
    shown: list[Progress] = []
    found = await swarm(arena, seconds=1.2, arrive_s=0.1).run(shown.append)
    assert found.failures == []
    values = found.values
    assert (values["joined"], values["rooms"], values["inputs_checked"]) == (6, 1, 6)
    assert values["digests"] >= 6
    assert values["inputs_sent"] >= 2 * 6
    assert values["frames"] >= values["inputs_sent"]
    assert values["gap_ms"]["p50"] <= values["gap_ms"]["p99"] <= values["gap_ms"]["max"]
    assert values["ack_ms"]["p50"] > 0
    assert (values["errors"], values["resumes"], values["ticks_back"]) == ({}, 0, 0)
    assert shown
    assert shown[-1].seated == 6
    assert not arena.seats
    assert sum(isinstance(message, Leave) for message in arena.heard) == 6


@pytest.mark.parametrize(
    ("fault", "key", "count"),
    [
        ("forget_inputs", "inputs_lost", 3),
        ("double_inputs", "inputs_doubled", 4),
        ("wrong_digests", "divergence", 2),
    ],
)
async def test_each_fault_is_counted(arena: Arena, fault: str, key: str, count: int) -> None:
    setattr(arena.faults, fault, count)
    found = await run(arena)
    assert found.values[key] == count
    assert [failure.split()[0] for failure in found.failures] == [key]


async def test_a_room_that_stops_for_good_is_silent_to_the_end_of_the_run(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.swarm.SETTLE_S", 0.1)

    class Last:
        def think(self, view: View, rng: Random) -> Push:
            arena.faults.mute = view.tick > 20
            return Push()

    found = (await swarm(arena, Last, seconds=2.0).run()).values
    # Less what a quiet room may be silent. The control is every gap before.
    assert found["gap_ms"]["max"] > 700
    assert found["gap_ms"]["p50"] < 350


async def test_a_short_run_lasts_until_a_view_was_compared(arena: Arena) -> None:
    arena.faults.late_digests = 12
    found = await run(arena, seconds=0.1)
    assert found.failures == []
    assert found.values["digests"] >= 1


async def test_skipped_inputs_are_neither_lost_nor_a_failure(arena: Arena) -> None:
    arena.faults.skip_inputs = 5
    found = await run(arena)
    assert found.values["inputs_skipped"] == 5
    assert found.failures == []


async def test_lost_sockets_are_resumed_and_everything_still_adds_up(arena: Arena) -> None:
    playing = swarm(arena, seconds=1.0)

    async def trouble() -> None:
        for _ in range(3):
            await asyncio.sleep(0.25)
            arena.drop()

    causing = asyncio.ensure_future(trouble())
    found = await playing.run()
    await causing
    assert found.failures == []
    assert found.values["resumes"] >= 6
    assert found.values["resume_gap_ms"]["max"] >= found.values["gap_ms"]["p50"]
    assert found.values["errors"]["1006 connection lost"] >= 6


async def test_coming_back_as_somebody_else_is_a_failure(arena: Arena) -> None:
    playing = swarm(arena, seconds=1.0)
    asyncio.get_running_loop().call_later(0.3, setattr, arena.faults, "another_player", True)
    asyncio.get_running_loop().call_later(0.4, arena.drop)
    found = await playing.run()
    assert found.values["player_changed"] == 6


async def test_churn_replaces_bots_and_checks_them_before_they_go(arena: Arena) -> None:
    found = await run(arena, churn=60.0, seconds=1.0)
    assert found.failures == []
    assert found.values["sessions"] > 6
    assert found.values["joined"] == found.values["inputs_checked"] == found.values["sessions"]


async def test_counts_that_cannot_be_had_do_not_look_like_success(arena: Arena) -> None:
    async def deaf(room: str) -> dict[int, Applied]:
        raise OSError(f"{room}: no answer")

    found = await swarm(arena, ask=deaf).run()
    assert found.failures == ["inputs_unchecked is 6, must be 0"]
    assert found.values["errors"] == {"inputs not compared: arena: no answer": 1}


async def test_spectators_only_watch(arena: Arena) -> None:
    found = await run(arena, role=Role.SPECTATOR)
    assert found.failures == []
    assert found.values["inputs_sent"] == found.values["inputs_checked"] == 0
    assert found.values["frames"] >= 2 * 6


async def test_a_wanderer_needs_only_the_schema(arena: Arena) -> None:
    playing = Swarm(
        Plan(arena.url, "field", 3, 0.6),
        lambda: load_brain("wanderer"),
        connect=open_websocket,
        clock=LoopClock(),
        rng=Random(1),
        ask=asker(arena.url),
    )
    found = await playing.run()
    assert found.failures == []
    assert found.values["inputs_checked"] == 3


async def test_a_brain_that_raises_ends_its_bot_only(arena: Arena) -> None:
    class Moody:
        def think(self, view: View, rng: Random) -> Push:
            if view.player == first and view.tick > 5:
                raise ZeroDivisionError("tired")
            return Push()

    first = 2
    found = await run(arena, brain=Moody)
    assert found.values["errors"] == {"1000 the brain failed: ZeroDivisionError: tired": 1}
    assert found.values["inputs_checked"] == 5
    assert found.failures[-1] == "inputs_unchecked is 1, must be 0"


async def test_a_swarm_that_can_never_begin_says_why(arena: Arena) -> None:
    with pytest.raises(ConfigError, match=r"no such game \(4404\)"):
        await run(arena, game="chess")
    url, arena.url = arena.url, "ws://127.0.0.1:1/play"
    with pytest.raises(OSError, match="refused"):
        await run(arena)
    arena.url = url


async def test_a_stopped_swarm_ends_in_good_order(arena: Arena) -> None:
    playing = swarm(arena, seconds=None)
    asyncio.get_running_loop().call_later(0.5, playing.stop)
    found = await playing.run()
    assert found.failures == []
    assert found.values["seconds"] < 30


async def test_the_same_seed_begins_the_same_seats(arena: Arena) -> None:
    await run(arena, count=2, seconds=0.2)
    await run(arena, count=2, seconds=0.2)
    nonces = [message.nonce for message in arena.heard if hasattr(message, "nonce")]
    assert len(nonces) == 4
    assert nonces[:2] == nonces[2:]
