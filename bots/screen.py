"""The live view of one bot after the other: a screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .bot import Bot
from .charmap import Camera
from .clock import Clock
from .keys import Keys
from .picture import Company, picture, summary
from .swarm import Progress
from .watch import Watch

# Smooth to look at, and a few hundredths of a core.
REDRAW_S = 0.125


class Screen:
    """Shows what one of the bots sees. `bots` are those that play now; `stop` ends them all."""

    def __init__(
        self,
        game: str,
        bots: Callable[[], Sequence[Bot]],
        stop: Callable[[], None],
        clock: Clock,
        *,
        output: TextIO = sys.stdout,
        keys: TextIO = sys.stdin,
    ) -> None:
        self._game = game
        self._bots = bots
        self._stop = stop
        self._clock = clock
        self._console = Console(file=output)
        self._output = output
        self._keys = Keys(keys, self.press)
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None
        self._watch: Watch | None = None
        self._camera = Camera()
        self._next = 0
        self._closed = False

    def open(self) -> None:
        """Take the terminal, if there is one, and draw until `close`."""
        if not self._output.isatty():
            return
        # The alternate screen is drawn over in place: nothing scrolls, nothing flickers.
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._live.start()
        self._keys.open()
        self._task = asyncio.ensure_future(self._run())

    def show(self, progress: Progress) -> None:
        """Once a second: where there is no terminal, a line of how things stand."""
        if self._live is None and not self._closed:
            self._choose()
            if self._watch is not None:
                text = summary(self._watch, self._company())
                print(f"{progress.seconds:7.1f} s  {text}", file=self._output, flush=True)

    def press(self, key: str) -> None:
        """Do what a key means."""
        if key in "qQ":
            self._stop()
        elif key in "\tnN":
            self._next += 1
            self._forget()

    def close(self) -> None:
        """Give the terminal back, with the last state in a line; nothing is shown any more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._live is not None:
            self._keys.close()
            self._live.stop()
            self._live = None
            if self._watch is not None:
                print(summary(self._watch, self._company()), file=self._output, flush=True)
        self._forget()

    async def _run(self) -> None:
        while True:
            self._draw()
            await self._clock.sleep(REDRAW_S)

    def _draw(self) -> None:
        assert self._live is not None
        self._choose()
        size = self._console.size
        if self._watch is None:
            self._live.update(Text("No bot plays yet."), refresh=True)
            return
        self._watch.look()
        seen = picture(
            self._watch, self._camera, self._company(), columns=size.width, lines=size.height
        )
        self._live.update(seen, refresh=True)

    def _choose(self) -> None:
        """Watch on as long as the bot plays; else the one whose turn it is."""
        bots = self._bots()
        if self._watch is not None and self._watch.bot in bots:
            return
        self._forget()
        if bots:
            self._watch = Watch(bots[self._next % len(bots)], self._clock)
            self._camera = Camera()

    def _forget(self) -> None:
        if self._watch is not None:
            self._watch.end()
            self._watch = None

    def _company(self) -> Company:
        bots = self._bots()
        assert self._watch is not None
        number = bots.index(self._watch.bot) + 1 if self._watch.bot in bots else 0
        return Company(self._game, number, len(bots))
