"""Actions asked for: those that wait to be sent, and those that wait for their answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from shared.chunks import pack
from shared.inputs import Action
from shared.limits import ACTION_BYTES_MAX, ACTIONS_PER_ITEM_MAX, ACTIONS_WAITING_MAX
from shared.messages import Close

from .ends import Answer, SessionEnded


@dataclass(frozen=True, slots=True)
class Refused:
    """What the server did not do, and why; `action` is None for an input that was skipped."""

    seq: int
    action: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Asked:
    index: int
    action: Action
    answer: asyncio.Future[Answer]
    bytes: int


class Actions:
    """One session's actions, in the order they were asked for."""

    def __init__(self) -> None:
        self._asked: deque[_Asked] = deque()
        self._sent: dict[int, list[_Asked]] = {}

    def ask(self, index: int, action: Action) -> asyncio.Future[Answer]:
        """Queue an action, by its index in the schema; its answer, once there is one.

        Where too many wait already, that is the answer. ValueError where it fits in no message.
        """
        size = len(pack([index, *action.to_wire()]))
        if size > ACTION_BYTES_MAX:
            raise ValueError(f"an action longer than {ACTION_BYTES_MAX} bytes fits in no message")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if len(self._asked) < ACTIONS_WAITING_MAX:
            self._asked.append(_Asked(index, action, answer, size))
        else:
            answer.set_result(
                Answer(False, f"{ACTIONS_WAITING_MAX} actions wait to be sent already")
            )
        return answer

    @property
    def next(self) -> list[tuple[int, Action]]:
        """Those that go with the next item, which is to fit in a message."""
        taken: list[tuple[int, Action]] = []
        left = ACTION_BYTES_MAX
        for asked in islice(self._asked, ACTIONS_PER_ITEM_MAX):
            left -= asked.bytes
            if left < 0:
                break
            taken.append((asked.index, asked.action))
        return taken

    def posted(self, seq: int) -> None:
        """The `next` ones went with the item of this seq."""
        count = len(self.next)
        if count:
            self._sent[seq] = [self._asked.popleft() for _ in range(count)]

    def settle(self, ack: int, refusals: Iterable[tuple[int, int, str]]) -> list[Refused]:
        """Take an answer: tell those who asked; what was refused, as listeners hear it."""
        told: list[Refused] = []
        reasons: dict[tuple[int, int], str] = {}
        for seq, part, reason in refusals:
            reasons[seq, part] = reason
            batch = self._sent.get(seq, [])
            action = batch[part - 1].action if 0 < part <= len(batch) else None
            told.append(Refused(seq, type(action).__name__ if action else None, reason))
        for seq in [seq for seq in self._sent if seq <= ack]:
            for part, asked in enumerate(self._sent.pop(seq), 1):
                refused = reasons.get((seq, part))
                if not asked.answer.done():
                    asked.answer.set_result(Answer(refused is None, refused or ""))
        return told

    def end(self, why: Close) -> None:
        """The session ended first: whoever waits is told so."""
        for asked in [*self._asked, *(asked for many in self._sent.values() for asked in many)]:
            if not asked.answer.done():
                asked.answer.set_exception(SessionEnded(why))
        self._asked.clear()
        self._sent.clear()
