"""What a game raised: which hook, one line that helps its author, and where in the game's files."""

from __future__ import annotations

import sys
from collections.abc import Collection

from shared.errors import LocalError
from shared.game import Game
from shared.limits import REASON_CHARS_MAX

EXPLANATION_CHARS_MAX = 400


class HookFailed(LocalError):
    """A hook of the game raised; the match holds a tick that never was.

    `reason` is what players are told. The text is for the log and the game's author: it says also
    where in the game's files, which is nobody else's business.
    """

    def __init__(self, hook: str, game: Game, cause: Exception) -> None:
        self.hook = hook
        self.reason = f"{type(game).__name__}.{hook} raised {explain(cause)}"
        super().__init__(with_place(self.reason, place_in(game, cause)))


def explain(error: Exception) -> str:
    """One line on what a game raised; for an undeclared attribute, where state belongs."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, AttributeError) and "has no attribute" in str(error):
        text += " (state lives in declared fields, as in `speed: float = fixed(1 / 64)`)"
    return cut(" ".join(text.split()), EXPLANATION_CHARS_MAX)


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
