"""What a player is told in the end: of an action, whether it was applied; of a session, why."""

from __future__ import annotations

from dataclasses import dataclass

from shared.messages import Close


class SessionEnded(Exception):
    """The session ended: `code` is the close code, `reason` what the server said."""

    def __init__(self, end: Close) -> None:
        super().__init__(f"{end.reason} ({end.code})")
        self.code = end.code
        self.reason = end.reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an action; `reason` says why it was refused."""

    applied: bool
    reason: str = ""
