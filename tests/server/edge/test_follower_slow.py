"""Readers that do not keep up: skipped, never queued, current with the next frame."""

from __future__ import annotations

from shared.errors import CloseCode
from shared.limits import (
    BEHIND_TICKS_MAX,
    TOO_SLOW_S,
    WRITE_GATE_BYTES,
)
from shared.session import ClientState
from tests.server.edge.desk import Desk, closing
from tests.simulation.loop import virtually


def test_a_reader_behind_the_gate_is_skipped_and_the_next_frame_covers_it() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        ada.line.waiting = WRITE_GATE_BYTES + 1
        held, room = ada.frames[-1].tick, desk.only_room()
        for _ in range(20):
            bob.post(1)
            await desk.seconds(0.05)
        assert ada.frames[-1].tick == held
        skipped = room.census.tick - held
        assert skipped in (19, 20, 21)
        assert desk.rig.metrics.counters["frames_skipped_total"] == skipped
        ada.line.waiting = WRITE_GATE_BYTES
        await desk.seconds(0.3)
        first = next(frame for frame in ada.frames if frame.tick > held)
        assert (first.base, first.tick) == (held, held + skipped + 1)
        assert ada.session.stats.divergence == 0
        assert ada.session.stats.digests > 0
        assert [f.base for f in bob.frames[1:]] == [f.tick for f in bob.frames[:-1]]
        await desk.stop()

    virtually(scenario())


def test_a_reader_that_does_not_report_gets_a_frame_a_second_and_then_none() -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        ada, bob = await desk.call("Ada"), await desk.call("Bob")
        ada.silent = True
        await desk.seconds(BEHIND_TICKS_MAX / 20)
        counted = len(ada.frames)
        await desk.seconds(10)
        assert 9 <= len(ada.frames) - counted <= 11
        await desk.seconds(TOO_SLOW_S - 10 + 1)
        code, reason = closing(ada.line)
        assert code is CloseCode.TOO_SLOW
        assert "no frame was read" in reason
        assert ada.session.state is ClientState.RESUMING
        assert bob.line.ending is None
        assert [f.base for f in bob.frames[1:]] == [f.tick for f in bob.frames[:-1]]
        await desk.stop()

    virtually(scenario())
