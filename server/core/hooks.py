"""What a game raised: which hook, one line that helps its author, and where in the game's files."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection
from types import CodeType

from shared.entities import Entity
from shared.errors import GameError, LocalError, Refused
from shared.game import Game
from shared.limits import REASON_CHARS_MAX

EXPLANATION_CHARS_MAX = 400


class HookFailed(LocalError):
    """A hook of the game raised; the match holds a tick that never was.

    `reason` is what players are told. The text is for the log and the game's author: it says also
    where in the game's files, which is nobody else's business.
    """

    def __init__(self, hook: str, game: Game, cause: BaseException, place: str = "") -> None:
        self.hook = hook
        self.reason = f"{type(game).__name__}.{hook} raised {explain(cause, game)}"
        super().__init__(with_place(self.reason, place or place_in(game, cause)))


class OutOfMemory(LocalError):
    """The process had no memory left for a hook, maybe for another room's sake.

    The match holds a tick that never was; the same tick may be tried again.
    """

    def __init__(self, hook: str) -> None:
        super().__init__(f"the process ran out of memory in {hook}")


def explain(error: BaseException, game: Game | None = None) -> str:
    """One line on what a game raised; for an undeclared attribute of a row, where state belongs."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception of the game's own, whose text raises.
        text = type(error).__name__
    if isinstance(error, SystemExit):
        text += " (a game does not end the process; `match.finish` ends a match)"
    elif isinstance(error, AttributeError) and _is_of_a_row(error, game):
        text += " (state lives in declared fields, as in `speed: float = fixed(1 / 64)`)"
    return cut(" ".join(sendable(text).split()), EXPLANATION_CHARS_MAX)


def _is_of_a_row(error: AttributeError, game: Game | None) -> bool:
    """Whether a row lacks the attribute; when one is set, Python names the row's class only."""
    if error.obj is not None:
        return isinstance(error.obj, Entity)
    owner, _, rest = str(error).partition(" object ")
    kinds = Entity.__subclasses__() if game is None else game.kinds
    return rest.startswith("has no attribute") and owner.strip("'") in {k.__name__ for k in kinds}


def reason_of(refusal: Refused) -> str:
    """What a player is told who was refused, whatever the game gave as the reason."""
    given: object = getattr(refusal, "reason", None)
    text = given if isinstance(given, str) else ""
    return cut(sendable(text)).strip() or "the game said no"


def sendable(text: str) -> str:
    """Text as UTF-8 can carry it: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def returned(hook: str, answer: object) -> GameError:
    """The error of a hook that returned something, which no hook but `visible` does."""
    said = f"{hook} returned a {type(answer).__name__}"
    if inspect.iscoroutine(answer) or inspect.isasyncgen(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        return GameError(f"{said}, so nothing in it has run; hooks are written without `async`")
    if inspect.isgenerator(answer):
        return GameError(f"{said}, so nothing in it has run; hooks are written without `yield`")
    if hook in ("join", "act"):
        return GameError(f"{said}; raise Refused(reason) to say no, return nothing to say yes")
    return GameError(f"{said}; a hook returns nothing")


def defined_at(function: Callable[..., object]) -> str:
    """Where a hook is defined, as `walk.py:24`; "" if it is not written in Python."""
    code: CodeType | None = getattr(function, "__code__", None)
    return "" if code is None else f"{_name_of(code.co_filename)}:{code.co_firstlineno}"


def place_in(game: Game, error: BaseException) -> str:
    """Where in the game's own files something was raised; "" if it was not there."""
    modules = (sys.modules.get(kind.__module__) for kind in _own_kinds(game))
    files = (getattr(module, "__file__", None) for module in modules)
    return place_of(error, {folder_of(file) for file in files if file})


def with_place(text: str, place: str) -> str:
    """A line of explanation that ends with where it was."""
    return f"{text} ({place})" if place else text


def place_of(error: BaseException, folders: Collection[str]) -> str:
    """Where in the files of these folders something was raised, as `walk.py:24`; "" if not there.

    It is the innermost place in them: what a game called, such as `random`, is not where it erred.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_name_of(error.filename)}:{error.lineno or 0}"
    found, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if folder_of(file) in folders:
            found = f"{_name_of(file)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def cut(text: str, chars_max: int = REASON_CHARS_MAX) -> str:
    """Text that fits, cut between two words and with an ellipsis where it was longer."""
    if len(text) <= chars_max:
        return text
    head, _, _ = text[:chars_max].rpartition(" ")
    # One word that fills most of it has to be cut itself.
    kept = head if len(head) > chars_max // 2 else text[: chars_max - 1]
    return kept.rstrip(" ,;:(") + "…"


def folder_of(file: str) -> str:
    """The folder of a file's path."""
    return file.replace("\\", "/").rpartition("/")[0]


def _name_of(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2]


def _own_kinds(game: Game) -> list[type]:
    return [kind for kind in type(game).__mro__ if issubclass(kind, Game) and kind is not Game]
