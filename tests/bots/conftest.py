"""Fixtures for the bots' tests: an arena to play in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.bots.arena import Arena


@pytest_asyncio.fixture
async def arena() -> AsyncIterator[Arena]:
    """A server of one room, ticking."""
    async with Arena() as made:
        yield made
