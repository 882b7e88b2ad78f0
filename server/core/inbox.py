"""One player's inbox in a room: what was asked for and not yet applied, in order of seq.

After a reconnect a client repeats its inputs, and from then on as many would wait for ever, each
adding a tick to what the player feels. So what stood in the inbox for a whole second is skipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from shared.errors import CloseCode, RemoteError
from shared.game import Game
from shared.inputs import Action, Input
from shared.limits import INBOX_ITEMS_MAX
from shared.messages import InputItem


class Item(NamedTuple):
    """An input item decoded by the game's declarations.

    `seen` is the tick its player saw when asking, 0 where that is not known.
    """

    seq: int
    input: Input | None
    actions: tuple[Action, ...]
    seen: int = 0


def decode_items(game: Game, items: Sequence[InputItem], held: int = 0) -> list[Item]:
    """Items checked against what the game declares; RemoteError names what is out of range.

    `held` is the tick that came with them: nobody saw a newer one.
    """
    decode = game.input.from_wire
    found: list[Item] = []
    for seq, wire, asked, drawn in items:
        try:
            sample = None if wire is None else decode(wire)
            actions = tuple([_action(game, action) for action in asked]) if asked else ()
        except ValueError as error:
            raise RemoteError(CloseCode.BAD_MESSAGE, f"input {seq}: {error}"[:120]) from None
        seen = min(drawn, held) if drawn else held
        found.append(Item(seq, sample, actions, seen))
    return found


def _action(game: Game, wire: list[object]) -> Action:
    index = wire[0]
    if type(index) is not int or not 0 <= index < len(game.actions):
        raise ValueError(f"action {index!r}; this game has {len(game.actions)} actions"[:80])
    return game.actions[index].from_wire(wire[1:])


class Inbox:
    """Accepts each seq once; gives one input a tick and works off a backlog by skipping.

    Policy for full: what does not fit is not taken. A client that keeps to WELCOME's limit of
    unacknowledged items never meets it, and the edge closes one that does not.
    """

    __slots__ = (
        "_held",
        "_held_ticks",
        "_items",
        "_standing",
        "_waiting",
        "_watched_ticks",
        "queued",
    )

    def __init__(self, applied: int) -> None:
        self.queued = applied
        self._items: deque[Item] = deque()
        self._held: Input | None = None
        self._held_ticks = 0
        self._waiting = 0
        self._standing = INBOX_ITEMS_MAX
        self._watched_ticks = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> Sequence[Item]:
        """What waits, the oldest first."""
        return self._items

    def put(self, items: Sequence[Item]) -> None:
        """Queue the items not queued before; a gap ends the taking."""
        for item in items:
            seq = item.seq
            if seq <= self.queued:
                continue
            if seq != self.queued + 1 or len(self._items) >= INBOX_ITEMS_MAX:
                return
            self.queued = seq
            self._items.append(item)
            if item.input is not None:
                self._waiting += 1

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is held, so that a tick need not ask."""
        return not self._items and self._held is None

    def jump(self, first_seq: int) -> None:
        """A resuming client no longer holds what lies before `first_seq`; go on from there."""
        if first_seq > self.queued + 1:
            self.queued = first_seq - 1

    def take(
        self, backlog_ticks_max: int, tick_rate: int, actions_max: int
    ) -> tuple[list[Item], list[Item]]:
        """This tick's items (at most the last has an input), and the older ones skipped for it.

        Call it every tick in which the inbox is not `idle`. Skipped items lose their input, never
        their actions. An item whose actions would be more than `actions_max` with those before it
        waits for the next tick, and so does all behind it.
        """
        taken: list[Item] = []
        skipped: list[Item] = []
        spare, items = self._spare(backlog_ticks_max, tick_rate), self._items
        actions = 0
        while items:
            actions += len(items[0].actions)
            if taken and actions > actions_max:
                break
            item = items.popleft()
            if item.input is None:
                taken.append(item)
                continue
            self._waiting -= 1
            if spare > 0:
                spare -= 1
                skipped.append(item)
                taken.append(item._replace(input=None))
            else:
                taken.append(item)
                break
        return taken, skipped

    def put_back(self, items: Sequence[Item]) -> None:
        """Items taken for a tick that never was come first again."""
        self._items.extendleft(reversed(items))
        self._waiting += sum(1 for item in items if item.input is not None)

    def _spare(self, backlog_ticks_max: int, tick_rate: int) -> int:
        """How many inputs to skip: what is above the backlog's limit, or stood for a second.

        One is always left to be applied.
        """
        waiting = self._waiting
        spare = waiting - max(1, backlog_ticks_max)
        if waiting <= self._standing:
            self._standing = waiting - 1 if waiting else 0
        self._watched_ticks += 1
        if self._watched_ticks >= tick_rate:
            spare = max(spare, self._standing)
            self._standing, self._watched_ticks = INBOX_ITEMS_MAX, 0
        return spare

    def hold(self, sample: Input | None, hold_ticks: int) -> Input | None:
        """The input to apply: the one that came, or the last one for a few ticks, or none."""
        if sample is not None:
            self._held, self._held_ticks = sample, 0
            return sample
        self._held_ticks += 1
        if self._held_ticks > hold_ticks:
            self._held = None
        return self._held

    def let_go(self) -> None:
        """Hold nothing: the last input is not to be applied again."""
        self._held = None
