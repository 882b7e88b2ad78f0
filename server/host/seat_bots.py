"""Brains in seats: bots of a room that have the view any player has, and no packets."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

from server.core.fanout import Fanout
from server.core.hooks import explain, place_in, with_place
from server.core.inbox import Item, decode_items
from server.core.room import Room
from shared.inputs import Action, Input
from shared.limits import ACTIONS_PER_ITEM_MAX
from shared.match import Commit, Match
from shared.messages import Frame, InputItem, decode_from_server
from shared.schema import Schema, describe, parse
from shared.session import ServerSession
from shared.view import View


class Brain(Protocol):
    """Plays from what it sees; `view.player` is its own id. Every seat has a brain of its own."""

    def think(
        self, view: View, rng: Random, /
    ) -> Input | tuple[Input | None, Sequence[Action]] | None: ...


MakeBrain = Callable[[Schema], Brain]


class _Seat:
    """One view; where views do not differ, all brains of a room share it."""

    __slots__ = ("session", "view")

    def __init__(self, schema: Schema, player: int, tick: int) -> None:
        self.view = View(schema, player)
        self.session = ServerSession(player, 0, 0, 1, tick)


def _close(answer: object) -> None:
    """Close what an async brain returned, which is never awaited: Python would warn of it."""
    if inspect.iscoroutine(answer):
        answer.close()


class SeatBots:
    """The brains of one room: they see what was published and post an input for the next tick."""

    def __init__(self, make: MakeBrain, rng: Random, log: logging.Logger) -> None:
        self._make = make
        self._brains: dict[int, Brain] = {}
        self._rng = rng
        self._log = log
        self._schema: Schema | None = None
        self._seats: dict[int, _Seat] = {}
        self._faulty = False
        self._blind = False
        # Nobody here is a brain; it stays so while no row changes.
        self._none = False

    def see(self, match: Match, commit: Commit) -> Exception | None:
        """Take in a committed tick, as frames; what the game's `visible` raised, if it did.

        A brain that it raised for sees nothing of the tick; the others do.
        """
        if self._none and commit.empty:
            return None
        bots = [player.id for player in match.players if player.bot]
        self._none = not bots
        if not bots:
            self._seats.clear()
            self._brains.clear()
            return None
        if self._schema is None:
            self._schema = parse(describe(match.game))
        shared = not (match.game.hides or match.has_owned_columns)
        wanted = [0] if shared else bots
        self._seats = {
            player: self._seats.get(player) or _Seat(self._schema, player, commit.tick)
            for player in wanted
        }
        self._brains = {player: brain for player, brain in self._brains.items() if player in bots}
        fanout = Fanout(match, commit)
        failed: Exception | None = None
        for seat in self._seats.values():
            try:
                encoded = fanout.frame(seat.session)
            except Exception as error:  # noqa: BLE001 - whatever a game's `visible` raises.
                failed = error
                continue
            frame = decode_from_server(encoded)
            assert isinstance(frame, Frame)
            seat.view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        if failed is not None and not self._blind:
            self._blind = True
            said = with_place(explain(failed, match.game), place_in(match.game, failed))
            self._log.error("a brain's view failed: %s", said, exc_info=failed)
        return failed

    def think(self, room: Room) -> None:
        """Let every brain post the input of the coming tick."""
        if not self._seats:
            return
        for player in room.match.players:
            if player.bot:
                seat = self._seats.get(player.id) or self._seats.get(0)
                if seat is not None:
                    seat.view.player = player.id
                    item = self._ask(room, seat.view, player)
                    if item is not None:
                        room.submit(player.id, [item])

    def _ask(self, room: Room, view: View, player: Any) -> Item | None:
        try:
            brain = self._brains.get(player.id)
            if brain is None:
                assert self._schema is not None
                brain = self._brains[player.id] = self._make(self._schema)
            answer = brain.think(view, self._rng)
            _close(answer)
            sample, actions = answer if isinstance(answer, tuple) else (answer, ())
            # To the wire and back: a brain may ask for no more than a player could.
            wire = None if sample is None else sample.to_wire()
            kinds = {kind.__name__: index for index, kind in enumerate(room.game.actions)}
            posted = tuple([kinds[type(one).__name__], *one.to_wire()] for one in actions)
            if len(posted) > ACTIONS_PER_ITEM_MAX:
                raise ValueError(f"{len(posted)} actions at once; at most {ACTIONS_PER_ITEM_MAX}")
            item = InputItem(player.input_seq + 1, wire, posted)
            return decode_items(room.game, [item], room.match.tick)[0]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a brain raises, `sys.exit()` too.
            if not self._faulty:
                self._faulty = True
                self._log.error(
                    "room %s: the brain %s raised %s; its seats stand still where it does",
                    room.id,
                    type(self._brains.get(player.id)).__name__,
                    with_place(explain(error, room.game), place_in(room.game, error)),
                    exc_info=error,
                )
            return None
