"""Fixtures of the store's tests: one store per backend, and the wall clock it reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from server.store.base import Store
from server.store.exchange import Exchange
from tests.server.store.backends import BACKENDS, EXCHANGES, Place, WallClock
from tests.server.store.cluster import Cluster, clustered
from tests.server.store.proxy import Proxy, proxied
from tests.server.store.valkey import Valkey, running


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[Valkey, None, None]:
    """One server for all tests, each of which has a prefix of its own."""
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster, None, None]:
    """A cluster of three nodes for all tests, each of which has a prefix of its own."""
    with clustered(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Generator[Valkey, None, None]:
    """A server of the test's own, to do anything to; what it has answered is on its disk."""
    flags = ("--appendonly", "yes", "--appendfsync", "always")
    with running(tmp_path / "own", *flags) as server:
        yield server


@pytest.fixture
async def proxy(own: Valkey) -> AsyncIterator[Proxy]:
    """A way to that server on which things can be lost."""
    async with proxied(own.port) as made:
        yield made


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, clock: WallClock) -> Place:
    """Where the test's store is to be; the server is started only when it is asked for."""
    return Place(
        tmp_path,
        clock,
        lambda: request.getfixturevalue("valkey"),
        lambda: request.getfixturevalue("cluster"),
    )


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Store]:
    made = BACKENDS[request.param](place)
    await made.open()
    yield made
    await made.close()


@pytest.fixture(params=EXCHANGES)
async def exchanges(
    request: pytest.FixtureRequest, place: Place
) -> AsyncIterator[tuple[Exchange, Exchange]]:
    """Those of two processes."""
    make = EXCHANGES[request.param]
    first = make(place, None)
    await first.open()
    second = make(place, first)
    await second.open()
    yield first, second
    await second.close()
    await first.close()
