"""What one bot sees, written down for the checker: each frame's tick, ack, digest and time."""

from __future__ import annotations

from bench.history import Counts, Seen, Witness
from bots.bot import Bot
from bots.clock import Clock
from shared.session import Outcome

DIGEST_TICKS = 5
"""Each view of such a tick is digested: what differs once differs until the rows change again."""


class Recorder:
    """A bot's watcher (`bots.bot.Watcher`). A bot that nobody watches pays nothing for it."""

    def __init__(self, bot: Bot, clock: Clock, *, digest_ticks: int = DIGEST_TICKS) -> None:
        self.bot = bot
        self.witness = Witness(bot.session.name)
        self.troubles: list[tuple[float, int, str]] = []
        self._clock = clock
        self._digest_ticks = digest_ticks
        bot.watcher = self

    def framed(self, outcome: Outcome) -> None:
        """A frame was applied."""
        session, witness, frame = self.bot.session, self.witness, outcome.frame
        assert session.welcome is not None
        assert session.view is not None
        assert frame is not None
        seat = session.welcome.room, session.welcome.player
        if not witness.seats or witness.seats[-1] != seat:
            witness.seats.append(seat)
        digest = frame.tick % self._digest_ticks == 0
        crc = session.view.digest() if digest else None
        now_s = self._clock.now()
        witness.frames.append(
            Seen(frame.tick, frame.committed, frame.ack, session.epoch, crc, now_s)
        )

    def troubled(self, code: int, reason: str) -> None:
        """A socket was lost, refused or given up."""
        self.troubles.append((self._clock.now(), code, reason))

    def finish(self) -> None:
        """Watch no more, and take down what became of the inputs: no more are made (`Bot.settle`).

        What is seen later would be judged against a journal that was observed before it.
        """
        self.bot.watcher = None
        session, tally = self.bot.session, self.bot.tally
        if session.closed is not None:
            self.witness.end = f"{session.closed.reason} ({session.closed.code})"
        self.witness.counts = Counts(
            last_seq=session.last_seq,
            waiting=session.waiting,
            applied=tally.expected,
            skipped=session.stats.inputs_skipped,
            bare=session.last_seq - tally.inputs_sent,
        )
