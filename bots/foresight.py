"""What a player's client does by the clock: asks for the time, takes samples, predicts, draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import floor

from shared.inputs import Input
from shared.messages import Time, TimeAnswer
from shared.session import ClientSession, ClientState

from .clock import Clock
from .connection import Connection
from .interpolation import Playback
from .prediction import Prediction
from .schedule import Schedule
from .timeline import Sampling, ServerClock

# A clock question every two seconds; at most two a second are allowed.
TIME_EVERY_S = 2.0
# What a player did this long ago is not done any more, as after a machine slept; actions are.
STALE_S = 1.0
# While there is no session yet, how often to look for one.
IDLE_S = 0.05


class Foresight:
    """Runs beside a session. `post` is called once for each tick of the server, to take a sample.

    It says whether there was anything to send, or anybody to ask. `clock` is the server's, as this
    client knows it; `drawn` the tick on the screen, None while no view is drawn.
    """

    def __init__(
        self,
        session: ClientSession,
        connection: Connection,
        time: Clock,
        post: Callable[[], bool],
    ) -> None:
        self.clock = ServerClock(1)
        self.predictions: dict[str, Prediction] = {}
        self.drawn: int | None = None
        self._session = session
        self._connection = connection
        self._time = time
        self._post = post
        self._sampling = Sampling(self.clock)
        self._schedule: Schedule | None = None
        self._playback: Playback | None = None
        self._rate = 0
        self._tick = 0
        self._asked_s = 0.0
        self._viewed_s = 0.0
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
            self.sample(now_s)
            self._connection.flush()
            # Twice a tick, so that none is missed for long by timers that are late.
            await self._time.sleep(self.clock.tick_s / 2 if self.clock.running else IDLE_S)

    def begin(self, *, asks: bool) -> None:
        """Rows are described anew; with `asks`, inputs too, so that those sent mean nothing now."""
        self._playback = self._schedule = self.drawn = None
        if asks:
            self._pending.clear()

    def framed(self) -> None:
        """A frame came: note when, put predictions right by it, and keep it to draw from."""
        session, now_s = self._session, self._time.now()
        view, welcome = session.view, session.welcome
        assert view is not None
        assert welcome is not None
        if welcome.tick_rate != self._rate:
            self._rate = welcome.tick_rate
            self.clock = ServerClock(self._rate)
            self._sampling = Sampling(self.clock)
        if view.tick < self._tick:
            self.clock.reset()
        self._tick = view.tick
        self.clock.arrived(self._tick, now_s)
        while self._pending and self._pending[0][0] <= session.ack:
            self._pending.popleft()
        for prediction in self.predictions.values():
            prediction.framed(view, self.pending)
        if self._schedule is None or self._schedule.clock is not self.clock:
            self._schedule = Schedule(self.clock, welcome.send_every)
        if self._playback is None:
            self._playback = Playback(view)
            self._playback.predictions = self.predictions
        if view.tick < self._playback.newest:
            self._schedule.reset()
        self._playback.push(view, session.still)

    @property
    def pending(self) -> list[Input]:
        """The inputs not acknowledged, oldest first."""
        return [sample for _, _, sample in self._pending]

    def sample(self, now_s: float) -> None:
        """Take a sample if a tick of the server began since the last."""
        session = self._session
        if session.state is not ClientState.LIVE or session.view is None or not session.player:
            return
        # Where nobody was asked, the first sample need not wait for the next tick.
        if self._sampling.due(session.view.tick, now_s) and self._post():
            self._sampling.taken(now_s)

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

    def view(self, now_s: float | None) -> Playback:
        """The view to draw at a moment, by default now."""
        assert self._session.view is not None
        if self._playback is None or self._schedule is None:
            return Playback(self._session.view)
        now_s = self._time.now() if now_s is None else now_s
        passed_s = max(0.0, now_s - self._viewed_s)
        self._viewed_s = now_s
        if self.predictions:
            self.sample(now_s)
            self._connection.flush()
            part = self._sampling.part(now_s)
            for prediction in self.predictions.values():
                prediction.seek(part, passed_s)
        tick = self._schedule.playback(now_s, self._session.view.tick)
        view = self._playback.seek(tick, passed_s)
        self.drawn = floor(view.tick + 0.5)
        return view

    def _timed(self, answer: TimeAnswer) -> None:
        self.clock.answered(answer.client_ms / 1000, self._time.now())
