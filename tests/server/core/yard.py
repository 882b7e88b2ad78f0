"""A game that does on request whatever a game may do, well or badly, and a room of it to drive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdfast import (
    OWNER,
    SERVER,
    Action,
    Entity,
    Event,
    Game,
    Input,
    Inputs,
    Match,
    Options,
    Player,
    Refused,
    bounded,
    fixed,
    text,
    u16,
    u32,
)
from holdfast import Room as RoomRow
from server.core.inbox import Item, decode_items
from server.core.journal import encode_record, restore
from server.core.room import Room, SeatRequest, Step
from server.core.seating import JoinRefusal, RefusalCode
from shared.messages import InputItem

# Values that nothing else has: a frame that holds their bytes has told a secret.
SECRET, MIND, RUNE, FAR = 0x5A5A, 0x6B6B, 0x7C7C7C7C, 0x1D1D


class Dot(Entity):
    x: float = fixed(1 / 64)
    face: int = u16()
    secret: int = u16(overflow="fail", to=OWNER)
    mind: int = u16(to=SERVER)


class Stone(Entity):
    """Nobody's row, with a column for its owner."""

    rune: int = u32(to=OWNER)


class Flash(Event):
    pass


class Court(RoomRow):
    fuse: int = u32()
    fog: int = u32()
    fog_ticks: int = u32()


class Guest(Player):
    score: int = u16()


class Push(Input):
    by: int = bounded(-3, 3)
    trap: int = bounded(0, 9)


class Say(Action):
    words: str = text(30)


class Rules(Options):
    start: str = text(12)
    size: float = fixed(1 / 4, 2.0)


class Yard(Game):
    """Names, words and traps choose what goes wrong; pushes move a player's dot."""

    entities: tuple[type[Entity], ...] = (Dot, Stone, Flash)
    input = Push
    actions = (Say,)
    room = Court
    player = Guest
    options = Rules
    seats = 4
    event_ticks = 5
    grace_s = 0.5
    room_empty_s = 1.0
    finished_s = 1.0

    def start(self, match: Match) -> None:
        if match.options.start == "raise":
            raise RuntimeError("start fails")
        match.spawn(Stone(rune=RUNE))

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Dot(owner=player, secret=SECRET + player.id, mind=MIND))
        if player.name == "unwelcome":
            raise Refused("not you")
        if player.name == "join!":
            raise RuntimeError("join fails")
        if player.name == "gatecrasher":
            match.despawn(player)

    def leave(self, match: Match, player: Player) -> None:
        super().leave(match, player)
        if player.name == "leave!":
            raise RuntimeError("leave fails")

    def act(self, match: Match, player: Player, action: Action) -> None:
        assert isinstance(player, Guest)
        assert isinstance(action, Say)
        match action.words.split():
            case ["no"]:
                raise Refused("that word is not said here")
            case ["act!"]:
                raise RuntimeError("act fails")
            case ["kick", name]:
                match.despawn(next(other for other in match.players if other.name == name))
            case ["fuse", ticks]:
                match.room.fuse = match.tick + int(ticks)
            case ["fog", ticks]:
                match.room.fog, match.room.fog_ticks = match.tick, int(ticks)
            case ["finish"]:
                match.finish({"by": player.name})
            case ["flash"]:
                match.spawn(Flash(owner=player))
            case ["lock"]:
                match.room.open = False
            case ["unlock"]:
                match.room.open = True
            case ["restart"]:
                match.restart()
            case _:
                player.score += 1

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        if 0 < match.room.fuse <= match.tick:
            raise RuntimeError("the fuse has burnt down")
        for dot in match.all(Dot):
            asked = inputs[dot.owner]
            dot.x += asked.by / 4
            self._spring(match, dot, asked.trap)

    def _spring(self, match: Match, dot: Any, trap: int) -> None:
        match trap:
            case 1:
                raise RuntimeError("step fails")
            case 2:
                dot.secret = 70_000
            case 3:
                match.despawn(match.room)
            case 4:
                raise Refused("step has nobody to refuse")
            case 5:
                dot.colour = "red"
            case _:
                dot.face = match.tick % 1000


class Plain(Yard):
    """The yard without secrets: every player sees the same bytes."""

    entities = (Flash,)

    def start(self, match: Match) -> None:
        match.spawn(Flash())

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Flash(owner=player))

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        for player in match.players:
            player.score = (player.score + abs(inputs[player].by)) % 1000


class Cave(Yard):
    """The yard in the dark: a player sees players, and dots nearer than 5; a spectator nothing."""

    def visible(self, match: Match, player: Player | None) -> Iterable[Entity] | None:
        room = match.room
        if room.fog <= match.tick < room.fog + room.fog_ticks:
            raise RuntimeError("visible fails")
        mine = match.one(Dot, owner=player) if player else None
        if mine is None:
            return []
        return [*match.players, *(dot for dot in match.all(Dot) if abs(dot.x - mine.x) < 5)]


NOT_YOU = JoinRefusal(RefusalCode.GAME, "not you")
"""What `Yard.join` says to a player called unwelcome."""


def nonce(name: str) -> bytes:
    """A nonce of 16 bytes for a name."""
    return name.encode().ljust(16, b"\1")[:16]


def item(game: Game, seq: int, by: int | None = None, *words: str, trap: int = 0) -> Item:
    """One decoded input item; `by` None sends actions alone."""
    wire = None if by is None else [by, trap]
    return decode_items(game, [InputItem(seq, wire, tuple([0, one] for one in words))])[0]


class Ground:
    """A room of a game with its journal, and players by name."""

    def __init__(self, game: Game, *, bots: int = 0, options: Options | None = None) -> None:
        self.game = game
        self.options = options or game.options()
        self.room = Room("yardyardyard", self.restored([]), 1, bots)
        self.records: list[bytes] = []
        self.seqs: dict[str, int] = {}

    @property
    def match(self) -> Match:
        return self.room.match

    def restored(self, records: list[bytes]) -> Match:
        """The match these records lead to."""
        return restore(self.game, self.options, 99, [], records)

    def ask(self, *names: str) -> None:
        """Let players ask for seats at the next tick, and be present."""
        for name in names:
            self.room.join(SeatRequest(nonce(name), name))

    def seat(self, *names: str) -> list[int]:
        """Seat players in a tick of its own; their ids."""
        self.ask(*names)
        seated = self.tick().seated
        ids = [seated[nonce(name)] for name in names]
        self.room.present |= set(ids)
        return ids

    def row(self, name: str) -> Any:
        """A player's row."""
        return next(player for player in self.match.players if player.name == name)

    def dot(self, name: str) -> Any:
        """A player's dot."""
        return self.match.one(Dot, owner=self.row(name))

    def post(self, name: str, by: int | None = None, *words: str, trap: int = 0) -> int:
        """Queue a player's next item; its seq."""
        seq = self.seqs[name] = self.seqs.get(name, 0) + 1
        self.room.submit(self.row(name).id, [item(self.game, seq, by, *words, trap=trap)])
        return seq

    def tick(self) -> Step:
        """One tick, committed."""
        return self.committed(self.room.step())

    def without(self, reason: str = "failed") -> Step:
        """The failed tick again, from the last whole one."""
        self.room.recover(self.restored(self.records))
        return self.committed(self.room.step_without(reason))

    def committed(self, step: Step) -> Step:
        """Write a step's record into the journal."""
        self.records.append(encode_record(step.commit))
        return step
