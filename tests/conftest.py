"""Every asynchronous test runs on each loop Holdfast serves on: uvloop where it is, and asyncio's.

`@pytest.mark.asyncio(loop_factories=["asyncio"])` keeps a test that is slow, or whose subject
chooses its own loop, to one of them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

# A deadline would measure the machine. The same examples every time make a red test one that a
# change made red; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# uvloop does not exist for Windows.
HAVE_UVLOOP = importlib.util.find_spec("uvloop") is not None

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Name the loops; pytest-asyncio makes one parameter of an asynchronous test from each."""
    del config, item
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if HAVE_UVLOOP:
        import uvloop

        factories = {"uvloop": uvloop.new_event_loop} | factories
    return factories
