"""What the tests of a file share, since it takes a second to start: a server, a browser."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.browser import launched, require_chromium
from tests.end_to_end.server import GAMES, Server, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of coins, of the yard and of the crowd, with SQLite."""
    games = f"coins,{GAMES}/yard.py,{GAMES}/crowd.py"
    with serve(tmp_path_factory.mktemp("server"), "--games", games) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    """Chromium; without one the test is skipped, and fails under CI."""
    require_chromium()
    with launched() as browser:
        yield browser
