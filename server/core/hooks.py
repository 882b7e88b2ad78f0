"""What a game raised: which hook, and one line that helps its author."""

from __future__ import annotations

from shared.errors import LocalError
from shared.game import Game


class HookFailed(LocalError):
    """A hook of the game raised; the match holds a tick that never was."""

    def __init__(self, hook: str, game: Game, cause: Exception) -> None:
        super().__init__(f"{type(game).__name__}.{hook} raised {explain(cause)}")
        self.hook = hook


def explain(error: Exception) -> str:
    """One line on what a game raised; for an undeclared attribute, where state belongs."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, AttributeError) and "has no attribute" in str(error):
        text += " (state lives in declared fields, as in `speed: float = fixed(1 / 64)`)"
    return " ".join(text.split())[:400]
