"""The tree is the architecture: imports go downhill, pure rooms stay pure, functions stay short."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each room of the house and what it may import of our own, by prefix of the dotted name. A room
# may always import itself. The longest path that fits says which room a file lies in.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "shared": (),
    "holdfast.py": ("shared",),
    # A game is written against the public names, and sees no game but itself.
    "games": ("holdfast", "shared"),
    "bots": ("shared",),
    "server/core": ("shared",),
    "server/store": ("shared",),
    # Edge and host know what a store promises, not which one it is; and not each other.
    "server/edge": ("shared", "server.core", "server.store.base", "server.store.exchange"),
    "server/host": ("shared", "server.core", "server.store.base", "server.store.exchange"),
    "server": ("shared", "server"),
    # Seats without a human are filled with the brains that bots play with.
    "server/app.py": ("shared", "server", "bots.brains", "bots.shapes", "bots.wanderer"),
}
# Only these know everyone: to wire the parts together is what they are for.
WIRING = {
    "server/app.py",
    "server/worker.py",
    "server/__main__.py",
    "server/commands.py",
    "server/room_commands.py",
}
PARTS = ("server.edge", "server.host", "server.store")

OURS = {"shared", "holdfast", "games", "bots", "server", "bench", "tests", "client"}
PRODUCT = ("shared", "games", "server", "bots", "client", "bench")
PURE = ("shared", "games", "server/core")
IMPURE = {
    "asyncio", "concurrent", "datetime", "http", "io", "locale", "logging", "multiprocessing",
    "os", "pathlib", "platform", "queue", "sched", "secrets", "select", "selectors", "signal",
    "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
    "urllib", "uuid", "uvloop",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input"}

FILE_LINES_MAX = 350
TEST_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
NO_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}
NO_WORDS = re.compile(r"\b(TODO|FIXME|XXX)\b")

Check = Callable[[Path], Iterator[str]]


def files(root: Path, tops: tuple[str, ...], *endings: str) -> Iterator[tuple[str, str]]:
    """Yield (path from the root, text) of the files under `tops`, in order."""
    for top in tops:
        found = [root / top] if top.endswith(".py") else sorted((root / top).rglob("*"))
        for file in found:
            if file.is_file() and file.suffix in endings and "node_modules" not in file.parts:
                yield file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")


def python(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for path, text in files(root, (*PRODUCT, "holdfast.py"), ".py"):
        yield path, ast.parse(text, path)


def room_of(path: str) -> str | None:
    fitting = [room for room in MAY_IMPORT if path == room or path.startswith(room + "/")]
    return max(fitting, key=len, default=None)


def imported(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import, also deferred, for types only, or by call."""
    package = PurePosixPath(path).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # One dot is the file's own package, each further one the package around it.
            around = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*around, *filter(None, [node.module])))
            # `from server import edge` may name a module or what a module holds.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in {"import_module", "__import__"}:
                yield node.lineno, str(node.args[0].value)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def may_import(path: str, name: str) -> bool:
    room = room_of(path)
    if room is None or name.partition(".")[0] not in OURS:
        return True
    if room == "games":
        # games/coins/brain.py is of games.coins.
        own = ".".join(PurePosixPath(path).with_suffix("").parts[:2])
    else:
        own = room.removesuffix(".py").replace("/", ".")
    if room == "server":
        if path not in WIRING and any(within(name, part) for part in PARTS):
            return within(name, "server.store.base") or within(name, "server.store.exchange")
        own = "server"
    return any(within(name, prefix) for prefix in (own, *MAY_IMPORT[room]))


def uphill_imports(root: Path) -> Iterator[str]:
    for path, tree in python(root):
        for line, name in imported(path, tree):
            if not may_import(path, name):
                yield f"{path}:{line}: {room_of(path)} must not import {name}"


def impurities(root: Path) -> Iterator[str]:
    for path, tree in python(root):
        if not any(path.startswith(room + "/") for room in PURE):
            continue
        for line, name in imported(path, tree):
            if name.partition(".")[0] in IMPURE:
                yield f"{path}:{line}: a pure room imports {name}"
            if within(name, "random") and name not in {"random", "random.Random"}:
                yield f"{path}:{line}: a pure room takes its chance as an argument, not {name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute | ast.Call):
                yield from (f"{path}:{node.lineno}: {what}" for what in impure_use(node))


def impure_use(node: ast.Attribute | ast.Call) -> Iterator[str]:
    text = ast.unparse(node if isinstance(node, ast.Attribute) else node.func)
    if isinstance(node, ast.Attribute):
        if text.startswith("random.") and text.count(".") == 1 and text != "random.Random":
            yield f"a pure room takes its chance as an argument, not {text}"
    elif text in IMPURE_CALLS:
        yield f"a pure room calls {text}"
    elif text in {"Random", "random.Random"} and not (node.args or node.keywords):
        yield f"{text}() without a seed asks the system for chance"


def long_files(root: Path) -> Iterator[str]:
    tops = (*PRODUCT, "holdfast.py", "tests")
    for path, text in files(root, tops, ".py", ".js"):
        most = TEST_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
        if (lines := len(text.splitlines())) > most:
            yield f"{path}: {lines} lines, {most} at most"


def long_functions(root: Path) -> Iterator[str]:
    for path, tree in python(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = length(node)
                if lines > FUNCTION_LINES_MAX:
                    yield f"{path}:{node.lineno}: {node.name} has {lines} lines"


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the last, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def vague_names(root: Path) -> Iterator[str]:
    for path, _ in files(root, (*PRODUCT, "tests"), ".py", ".js"):
        if NO_NAMES & {part.partition(".")[0] for part in PurePosixPath(path).parts}:
            yield f"{path}: the name says nothing of what it owns"


def unfinished_words(root: Path) -> Iterator[str]:
    tops = (*PRODUCT, "holdfast.py")
    for path, text in files(root, tops, ".py", ".js", ".html", ".css"):
        for number, line in enumerate(text.splitlines(), 1):
            if found := NO_WORDS.search(line):
                yield f"{path}:{number}: {found[0]}"


CHECKS: tuple[Check, ...] = (
    uphill_imports,
    impurities,
    long_functions,
    vague_names,
    unfinished_words,
)


@pytest.mark.parametrize("check", CHECKS)
def test_the_tree_keeps_to_its_architecture(check: Check) -> None:
    assert list(check(ROOT)) == []


def test_the_length_of_files_is_reported(record_property: Callable[[str, object], None]) -> None:
    """A number to look at: an idea split to stay under a limit is worse than a long file."""
    found = list(long_files(ROOT))
    record_property("long_files", found)
    print(
        f"{len(found)} files above {FILE_LINES_MAX} lines (tests: {TEST_LINES_MAX})",
        *found,
        sep="\n",
    )


def test_the_tree_is_really_looked_at() -> None:
    seen = {path for path, _ in python(ROOT)}
    assert "server/config.py" in seen
    assert {room_of(path) for path in seen} >= {"shared", "server"}


# From here on the checks themselves are tested, on small made-up trees.

FORBIDDEN = [
    ("shared/a.py", "import server"),
    ("shared/a.py", "from games.coins import game"),
    ("shared/a.py", "from holdfast import Game"),
    ("holdfast.py", "from server.app import run"),
    ("games/coins/game.py", "from server.core import room"),
    ("games/coins/game.py", "from games.tanks import game"),
    ("games/coins/game.py", "from ..tanks import game"),
    ("bots/bot.py", "from games.coins.brain import Brain"),
    ("bots/bot.py", "import server.core.room"),
    ("bots/bot.py", "from importlib import import_module\nimport_module('games.coins')"),
    ("server/app.py", "def load():\n    import games.coins.game"),
    ("server/app.py", "from bots.bot import Bot"),
    ("server/core/room.py", "from server.store.base import Store"),
    ("server/core/room.py", "from server import config"),
    ("server/core/room.py", "from ..host import clock"),
    ("server/core/deep/room.py", "from ...host import clock"),
    ("server/store/redis.py", "from server.core.room import Room"),
    ("server/edge/http.py", "from server.host.clock import Clock"),
    ("server/edge/http.py", "if TYPE_CHECKING:\n    from ..host import clock"),
    ("server/host/clock.py", "import server.edge.http"),
    ("server/host/clock.py", "from server.store.sqlite import SqliteStore"),
    ("server/host/clock.py", "from server.store import sqlite"),
    ("server/host/clock.py", "import server.app"),
    ("server/config.py", "from server.edge import http"),
    ("server/config.py", "from . import host"),
    ("server/config.py", "from server.store.memory import MemoryStore"),
]  # fmt: skip

ALLOWED = [
    ("shared/a.py", "from shared.b import c\nfrom . import d\nimport dataclasses, msgpack"),
    ("holdfast.py", "from shared.game import Game"),
    ("games/coins/game.py", "from holdfast import Game\nfrom games.coins.map import walls"),
    ("games/coins/brain.py", "from .game import Coins\nfrom shared.view import View"),
    ("bots/swarm.py", "from bots.bot import Bot\nimport asyncio"),
    ("server/core/room.py", "from server.core.lease import Lease\nfrom .fanout import publish"),
    ("server/core/deep/room.py", "from ..lease import Lease"),
    ("server/store/sqlite.py", "from server.store.base import Store\nimport sqlite3"),
    ("server/edge/http.py", "from server.store.base import Store\nfrom server.core import room"),
    ("server/host/clock.py", "import time\nfrom server.core.room import Room"),
    ("server/config.py", "from server.settings import whole\nimport os"),
    ("server/__main__.py", "from server.app import main\nfrom server.edge import http"),
    ("server/app.py", "import server.host.clock\nfrom server.store.sqlite import SqliteStore"),
    ("tests/test_a.py", "import server.edge.http, server.host.clock, games.coins"),
]


def lay(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(("path", "text"), FORBIDDEN)
def test_an_import_uphill_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert len(list(uphill_imports(lay(tmp_path, path, text)))) == 1


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_an_import_downhill_is_none(tmp_path: Path, path: str, text: str) -> None:
    assert list(uphill_imports(lay(tmp_path, path, text))) == []


@pytest.mark.parametrize("room", PURE)
@pytest.mark.parametrize(
    "text",
    [
        *(f"import {name}" for name in ("asyncio", "time", "socket", "os.path", "logging", "uuid")),
        "from datetime import datetime",
        "def late():\n    from secrets import token_bytes",
        "from random import choice",
        "import random\nx = random.random()",
        "import random\nx = random.SystemRandom",
        "import random\nrng = random.Random()",
        "from random import Random\nrng = Random()",
        "print(1)",
        "open('a')",
    ],
)
def test_an_impurity_is_found(tmp_path: Path, room: str, text: str) -> None:
    assert len(list(impurities(lay(tmp_path, f"{room}/a.py", text)))) == 1
    assert list(impurities(lay(tmp_path / "other", "server/host/a.py", text))) == []


def test_a_seeded_random_is_pure(tmp_path: Path) -> None:
    text = "import random\nfrom random import Random\ndef f(rng: random.Random):\n    Random(1)\n"
    text += "    return rng.random(), self.random.choice, match.open(), opened()\n"
    assert list(impurities(lay(tmp_path, "shared/a.py", text))) == []


@pytest.mark.parametrize(
    ("path", "most"),
    [("shared/a.py", 350), ("client/a.js", 350), ("games/x/web/a.js", 350), ("tests/a.py", 400)],
)
def test_a_long_file_is_found(tmp_path: Path, path: str, most: int) -> None:
    assert list(long_files(lay(tmp_path, path, "1\n" * most))) == []
    assert len(list(long_files(lay(tmp_path, path, "1\n" * (most + 1))))) == 1


@pytest.mark.parametrize("start", ["def f():", "class A:\n  async def f(self):"])
def test_a_long_function_is_found(tmp_path: Path, start: str) -> None:
    docstring = '    """One.\n\n    Two.\n    """\n'
    body = docstring + "    x = 1\n" * 49
    assert list(long_functions(lay(tmp_path, "bots/a.py", f"{start}\n{body}"))) == []
    assert len(list(long_functions(lay(tmp_path, "bots/a.py", f"{start}\n{body}    y = 2")))) == 1


@pytest.mark.parametrize("path", ["server/utils.py", "client/helpers.js", "bots/common/a.py"])
def test_a_vague_name_is_found(tmp_path: Path, path: str) -> None:
    assert len(list(vague_names(lay(tmp_path, path, "")))) == 1
    assert list(vague_names(lay(tmp_path / "other", "server/utility_belt.py", ""))) == []


@pytest.mark.parametrize("path", ["shared/a.py", "client/a.js", "games/x/web/index.html"])
def test_an_unfinished_word_is_found(tmp_path: Path, path: str) -> None:
    assert len(list(unfinished_words(lay(tmp_path, path, "a = 1\n# FIXME: all of it")))) == 1
    assert list(unfinished_words(lay(tmp_path, path, "XXXL = 1\n# todo lists are fine"))) == []
