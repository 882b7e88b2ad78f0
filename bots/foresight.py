"""What a player's client does by the clock: asks for the time, takes samples, predicts own rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from shared.inputs import Input
from shared.messages import Time, TimeAnswer
from shared.session import ClientSession, ClientState

from .clock import Clock
from .connection import Connection
from .prediction import Prediction
from .timeline import Sampling, ServerClock

# A clock question every two seconds; at most two a second are allowed.
TIME_EVERY_S = 2.0
# What a player did this long ago is not done any more, as after a machine slept; actions are.
STALE_S = 1.0
# While there is no session yet, how often to look for one.
IDLE_S = 0.05


class Foresight:
    """Runs beside a session. `post` is called once for each tick of the server, to take a sample.

    `clock` is the server's, as this client knows it.
    """

    def __init__(
        self,
        session: ClientSession,
        connection: Connection,
        time: Clock,
        post: Callable[[], None],
    ) -> None:
        self.clock = ServerClock(1)
        self.predictions: dict[str, Prediction] = {}
        self._session = session
        self._connection = connection
        self._time = time
        self._post = post
        self._sampling = Sampling(self.clock)
        self._rate = 0
        self._tick = 0
        self._asked_s = 0.0
        self._drawn_s: dict[str, float] = {}
        # Inputs sent and not acknowledged, with when they were made.
        self._pending: deque[tuple[int, float, Input]] = deque()
        connection.timed = self._timed

    async def run(self) -> None:
        """Take samples also when no frame comes, until it is cancelled."""
        while True:
            now_s, live = self._time.now(), self._session.state is ClientState.LIVE
            if live and now_s - self._asked_s >= TIME_EVERY_S:
                self._asked_s = now_s
                self._session.outbox.append(Time(now_s * 1000).encode())
            self.sample()
            self._connection.flush()
            # Twice a tick, so that none is missed for long by timers that are late.
            await self._time.sleep(self.clock.tick_s / 2 if self.clock.running else IDLE_S)

    def framed(self) -> None:
        """A frame came: note when, and put predictions right by it."""
        session, now_s = self._session, self._time.now()
        assert session.view is not None
        assert session.welcome is not None
        if session.welcome.tick_rate != self._rate:
            self._rate = session.welcome.tick_rate
            self.clock = ServerClock(self._rate)
            self._sampling = Sampling(self.clock)
        if session.view.tick < self._tick:
            self.clock.reset()
        self._tick = session.view.tick
        self.clock.arrived(self._tick, now_s)
        while self._pending and self._pending[0][0] <= session.ack:
            self._pending.popleft()
        for prediction in self.predictions.values():
            prediction.framed(session.view, self.pending)

    @property
    def pending(self) -> list[Input]:
        """The inputs not acknowledged, oldest first."""
        return [sample for _, _, sample in self._pending]

    def sample(self) -> None:
        """Take a sample if a tick of the server began since the last."""
        session = self._session
        if session.state is not ClientState.LIVE or session.view is None:
            return
        if self._sampling.due(session.view.tick, self._time.now()):
            self._post()

    def posted(self, seq: int, sample: Input) -> None:
        """An input went out."""
        self._pending.append((seq, self._time.now(), sample))
        for prediction in self.predictions.values():
            prediction.sampled(sample)

    def forget_stale(self) -> None:
        """Give up the inputs of long ago, before they are repeated."""
        stale_s = self._time.now() - STALE_S
        while self._pending and self._pending[0][1] < stale_s:
            self._session.forget(self._pending.popleft()[0])

    def drawn(self, table: str) -> list[Any]:
        """This player's rows of a predicted table as they are to be shown now."""
        now_s = self._time.now()
        passed_s = now_s - self._drawn_s.get(table, now_s)
        self._drawn_s[table] = now_s
        return self.predictions[table].drawn(self._sampling.part(now_s), passed_s)

    def _timed(self, answer: TimeAnswer) -> None:
        self.clock.answered(answer.client_ms / 1000, self._time.now())
