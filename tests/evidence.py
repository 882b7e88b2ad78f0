"""What a failing test saw: every page's text and picture, and the end of every server's log.

Whatever a test starts is a source for as long as it runs. The sources are looked at once a failing
test: when its exception leaves the first source, before that one is closed, and otherwise when
pytest reports the failure. The text goes into pytest's report, files into `var/failures/`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).resolve().parents[1] / "var" / "failures"
LOG_LINES = 60
PAGE_CHARS = 2000
PATIENCE_MS = 3000

Look = Callable[[Path], str]
"""Writes files into a folder, and returns what there is to read."""


@dataclass
class _Test:
    """The test that runs now, and what was seen of its failure."""

    name: str = "no test"
    seen: list[tuple[str, str]] | None = None


@dataclass
class _Sources:
    """What runs now, the newest last; pages cannot be asked while their driver is interrupted."""

    logs: list[Look] = field(default_factory=list[Look])
    pages: list[Look] = field(default_factory=list[Look])


_SOURCES = _Sources()
_TEST = _Test()


def begin(name: str) -> None:
    """A test begins; what was seen of the one before is forgotten."""
    _TEST.name, _TEST.seen = name, None


def collect(error: BaseException) -> list[tuple[str, str]]:
    """Look at every source, unless that was done for this test; titles and texts."""
    if _TEST.seen is None:
        _TEST.seen = []
        folder = FOLDER / re.sub(r"[^\w.=-]+", "_", _TEST.name)[-150:]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # A timeout is raised out of the middle of whatever the driver does, and is no Exception.
        pages = _SOURCES.pages if isinstance(error, Exception) else []
        for title, looks in (("pages", pages), ("server log", _SOURCES.logs)):
            _TEST.seen += [(title, look(folder)) for look in looks]
        if not any(folder.iterdir()):
            folder.rmdir()
    return _TEST.seen


@contextmanager
def of_log(read: Callable[[], str]) -> Generator[None, None, None]:
    """A server runs meanwhile, and `read` returns its whole log."""

    def look(folder: Path) -> str:
        text = read()
        number = len(list(folder.glob("server*.log")))
        (folder / f"server-{number}.log").write_text(text, encoding="utf-8")
        return "\n".join(text.splitlines()[-LOG_LINES:])

    with _source(_SOURCES.logs, look):
        yield


@contextmanager
def of_pages(browser: Browser) -> Generator[None, None, None]:
    """A browser runs meanwhile."""
    # Most tests need no page: they should not wait for this.
    from playwright.sync_api import Error as PageError

    def look(folder: Path) -> str:
        pages = [page for context in browser.contexts for page in context.pages]
        found = list[str]()
        for number, page in enumerate(pages):
            picture = folder / f"page-{number}.png"
            try:
                text = page.inner_text("body", timeout=PATIENCE_MS)[:PAGE_CHARS]
                page.screenshot(path=picture, timeout=PATIENCE_MS)
            except PageError as error:
                text = f"(the page does not answer: {error})"
            found.append(f"{page.url}\n{picture}\n{text}")
        return "\n\n".join(found) or "(no page is open)"

    with _source(_SOURCES.pages, look):
        yield


@contextmanager
def before_closing() -> Generator[None, None, None]:
    """What the body opened is looked at where an exception leaves it, before it is closed."""
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        collect(error)
        raise


@contextmanager
def _source(among: list[Look], look: Look) -> Generator[None, None, None]:
    among.append(look)
    try:
        with before_closing():
            yield
    finally:
        among.remove(look)
