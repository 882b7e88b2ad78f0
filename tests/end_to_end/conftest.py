"""Servers that the tests of a file share, since each takes a second to start."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.end_to_end.server import GAMES, Server, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of coins, of the yard and of the crowd, with SQLite."""
    games = f"coins,{GAMES}/yard.py,{GAMES}/crowd.py"
    with serve(tmp_path_factory.mktemp("server"), "--games", games) as server:
        yield server
