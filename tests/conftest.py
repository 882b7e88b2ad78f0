"""Which loops tests run on, which of them share a worker, and what a failing one says.

An asynchronous test runs on each loop Holdfast serves on: uvloop where it is, and asyncio's. Where
the subject is a process of its own, which chooses its loop itself, and where a test is slow, one
is enough; `@pytest.mark.asyncio(loop_factories=["asyncio"])` says so for a single test.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Callable, Generator, Mapping

import pytest
from hypothesis import settings

from tests import evidence

# A deadline would measure the machine. The same examples every time make a red test one that a
# change made red; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# uvloop does not exist for Windows.
HAVE_UVLOOP = importlib.util.find_spec("uvloop") is not None

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


# What is tested there are processes.
ONE_LOOP = ("end_to_end", "bench", "docs")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Name the loops; pytest-asyncio makes one parameter of an asynchronous test from each."""
    del config
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if not HAVE_UVLOOP:
        return factories
    import uvloop

    asked = item.get_closest_marker("asyncio")
    chosen = asked is not None and "loop_factories" in asked.kwargs
    once = item.get_closest_marker("slow") or item.path.parent.name in ONE_LOOP
    if once and not chosen:
        return {"uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop} | factories


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several workers take whole files, which share a server, but slow tests one by one and first.

    Else the file with the most of them would be played to its end by one worker, and last.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what another test's failure was like."""
    evidence.begin(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failing test say what its pages showed and its servers logged."""
    del item
    report = yield
    if report.failed and call.excinfo is not None:
        report.sections += evidence.collect(call.excinfo.value)
    return report
