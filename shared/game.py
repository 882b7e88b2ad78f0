"""The contract of a game: declared rows and inputs, and the hooks that turn ticks into ticks.

A game object holds no state; what must last is in fields, what is configured in class attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .entities import Entity, Player, Room
from .errors import Refused
from .game_check import check_game
from .inputs import Action, Input, Options
from .limits import GRACE_S

if TYPE_CHECKING:
    from .match import Match

Asked = TypeVar("Asked", bound=Input)


class Inputs(Generic[Asked]):
    """One input for every player; a player who sent none, or nobody (0), has the neutral one."""

    __slots__ = ("_applied", "_neutral")

    def __init__(self, neutral: Asked, applied: Mapping[int, Asked]) -> None:
        self._neutral = neutral
        self._applied = applied

    def __getitem__(self, player: int | Player) -> Asked:
        number = player.id if isinstance(player, Player) else player
        return self._applied.get(number, self._neutral)


class Game:
    """Rules. Subclass it; every hook is optional but `step`. Nothing in it is async.

    Hooks run at a tick, in this order: `start` or `migrate` (once), `leave`, `join`, `act`, `step`.
    A player is a row of the game's own `player` class, an action one of its `actions`; annotate
    them so.
    """

    entities: tuple[type[Entity], ...] = ()
    input: type[Input] = Input
    actions: tuple[type[Action], ...] = ()
    room: type[Room] = Room
    player: type[Player] = Player
    options: type[Options] = Options

    title: str = ""
    version: str = "1"
    compatible: tuple[str, ...] = ()
    seats: int = 16
    tick_rate: int = 20
    send_every: int = 1
    event_ticks: int | None = None
    input_hold_ticks: int = 3
    journal_lag_ticks_max: int = 0
    input_backlog_ticks: int = 3
    actions_per_tick_max: int = 16
    past_entities: tuple[type[Entity], ...] = ()
    rewind_ticks_max: int | None = None
    grace_s: float = GRACE_S
    room_empty_s: float = 60.0
    finished_s: float = 60.0

    def start(self, match: Match) -> None:
        """Lay out the match, once; `match.options` holds what the room was created with."""

    def migrate(self, match: Match, version: str) -> None:
        """Make a match of older rules one of these, once, before the first tick by these.

        `version` is that of the older rules, one of `compatible`. What the rows held in fields that
        are gone, or cannot hold it, is in `match.former`.
        """

    def join(self, match: Match, player: Any) -> None:
        """A player takes a seat. Raise `Refused(reason)` to say no."""

    def leave(self, match: Match, player: Any) -> None:
        """A player gave up the seat; by default what the player owned is despawned."""
        for table in match.tables[2:]:
            for row in list(table.rows.values()):
                if row.owner == player.id:
                    match.despawn(row)

    def act(self, match: Match, player: Any, action: Any) -> None:
        """Apply an action. Raise `Refused(reason)` before changing rows to say no."""
        raise Refused(f"{type(self).__name__} takes no {type(action).__name__}")

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        """Advance the match by one tick, `match.dt` seconds."""
        raise NotImplementedError(
            f"{type(self).__name__}.step(match, inputs) is the game; write it"
        )

    def visible(self, match: Match, player: Any) -> Iterable[Entity] | None:
        """The rows a player (None: a spectator) may see, or None for all.

        The room's row and the rows the player owns are always seen.
        """
        return None

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(
            f"{type(self).__name__}.{key}: a game holds no state, it would be lost with the "
            "process; put it in a field of an entity, of the Room or of the Player"
        )

    @property
    def event_lifetime_ticks(self) -> int:
        """Ticks an event's row lives: `event_ticks`, or one second."""
        return self.event_ticks if self.event_ticks is not None else self.tick_rate

    @property
    def rewind_ticks(self) -> int:
        """Ticks `match.past` reaches back: `rewind_ticks_max`, or half a second; 0 for no past."""
        if not self.past_entities:
            return 0
        given = self.rewind_ticks_max
        return given if given is not None else max(1, self.tick_rate // 2)

    @property
    def kinds(self) -> tuple[type[Entity], ...]:
        """Entity classes in table order: room, player, then as declared."""
        return (self.room, self.player, *self.entities)

    @property
    def hides(self) -> bool:
        """Whether players' views differ by more than the columns only an owner sees."""
        return type(self).visible is not Game.visible

    def check(self) -> None:
        """ConfigError if the class attributes make no game; says what would."""
        check_game(self)
