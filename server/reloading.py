"""What development adds to a worker: its games' files, watched, and what is wrong with them."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from server.core.ports import Clock
from server.loading import LoadedGame

WATCH_S: Final = 0.5
TRIAL_S: Final = 30.0
"""A file that takes longer to import loops, or would hold up every start of the server."""
# What a worker does with its games, for a process that only tries it.
LOAD_GAMES: Final = """
import sys
from server.app import load_games
from server.config import Config
from shared.errors import ConfigError
try:
    load_games(Config(games=tuple(sys.argv[1:])))
except ConfigError as error:
    sys.exit(str(error))
"""


class Sources:
    """The files of a worker's games; `specs` are the games as the settings name them.

    `mistake` is why the files as they were saved last do not load, None while they do.
    """

    def __init__(
        self,
        games: Sequence[LoadedGame],
        specs: Sequence[str],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self.mistake: str | None = None
        self._specs = specs
        self._clock = clock
        self._log = log
        files = {path for game in games for path in game_files(game.source)}
        # A file that is not there, or does not load, is waited for as well.
        named = (re.match(r".*\.py(?=:|$)", spec) for spec in specs)
        files |= {Path(found[0]) for found in named if found}
        self._files = sorted(file.resolve() for file in files)

    def saved_since(self, wall_s: float) -> bool:
        """Whether a file was saved at this time, in seconds since 1970, or later."""
        return any(_saved_at(path) >= wall_s for path in self._files)

    async def changed(self) -> None:
        """Return once a file was saved again, and the games load as they are now."""
        before = [_saved_at(path) for path in self._files]
        while True:
            await self._clock.sleep(WATCH_S)
            now = [_saved_at(path) for path in self._files]
            if now != before:
                before = now
                self.mistake = await _fault(self._specs)
                if self.mistake is None:
                    return
                self._log.error("saved, but matches go on by the rules before: %s", self.mistake)


def game_files(source: Path | None) -> list[Path]:
    """What a game is reloaded for: every file of its package, or its file and what that imported.

    Of what a file imported only its neighbours count, which the author may have at hand.
    """
    if source is None:
        return []
    folder = source.parent
    if (folder / "__init__.py").is_file():
        return sorted(folder.glob("*.py"))
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    near = {Path(file) for file in loaded if file and Path(file).parent == folder}
    return sorted({source, *near})


async def _fault(specs: Sequence[str]) -> str | None:
    """Why the games would not load, tried in another process; half a file is no reason to end."""
    trial = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOAD_GAMES, *specs, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(TRIAL_S):
            _, told = await trial.communicate()
    except TimeoutError:
        return f"importing it takes longer than {TRIAL_S:g} s"
    finally:
        if trial.returncode is None:
            trial.kill()
    return told.decode(errors="replace").strip() if trial.returncode else None


def _saved_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
