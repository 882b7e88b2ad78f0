"""Single keys from a terminal, as they are pressed, for as long as somebody listens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TextIO

READ_BYTES_MAX = 64


class Keys:
    """Reads keys from a terminal without waiting for a line. Ctrl-C stays a signal.

    Where the stream is no terminal, or the system has none of this kind, no key ever comes.
    """

    def __init__(self, stream: TextIO, pressed: Callable[[str], None]) -> None:
        self._stream = stream
        self._pressed = pressed
        self._restore: Callable[[], None] | None = None

    def open(self) -> None:
        """Take the terminal's lines apart into keys."""
        try:
            import termios
            import tty
        except ImportError:  # Windows.
            return
        if not self._stream.isatty():
            return
        number = self._stream.fileno()
        before = termios.tcgetattr(number)
        self._restore = lambda: termios.tcsetattr(number, termios.TCSADRAIN, before)
        tty.setcbreak(number)
        asyncio.get_running_loop().add_reader(number, self._read)

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._restore is not None:
            asyncio.get_running_loop().remove_reader(self._stream.fileno())
            self._restore()
            self._restore = None

    def _read(self) -> None:
        data = os.read(self._stream.fileno(), READ_BYTES_MAX)
        if not data:
            # The terminal is gone; asked again, it would say so without end.
            asyncio.get_running_loop().remove_reader(self._stream.fileno())
        for key in data.decode("utf-8", "replace"):
            self._pressed(key)
