"""Long lives: rooms whose ticks and seqs pass 2**32, and whose ids come to their end."""

from __future__ import annotations

from typing import Any

import pytest

from games.coins.game import Coin, Coins, Runner
from server.core.hooks import HookFailed
from server.core.inbox import decode_items
from server.core.journal import encode_checkpoint, encode_record, restore
from server.core.room import Room, SeatRequest, Step
from shared.entities import Player
from shared.limits import ENTITY_ID_MAX, INTEGER_MAX
from shared.match import Match
from shared.messages import InputItem
from tests.server.core.yard import Yard, item, nonce
from tests.shared.ends import framed, show, view_of
from tests.shared.reference import digest, held, seen, whole


class Plain(Yard):
    """A yard whose players own nothing at first."""

    def join(self, match: Match, player: Player) -> None:
        """Come empty-handed."""


class Old:
    """A room that goes on from a checkpoint at some tick, with its journal."""

    def __init__(self, tick: int, next_id: int = 1, game: Yard | None = None) -> None:
        self.game = game or Yard()
        match = Match(self.game, self.game.options(), 99)
        match.tick = tick - 1
        match.begin_tick()
        match.spawn(self.game.room())
        match.room.next_id = max(next_id, match.room.next_id)
        self.game.start(match)
        match.commit()
        self.checkpoint = encode_checkpoint(match)
        self.records: list[bytes] = []
        self.room = Room("oldyard", self.restored(), 1)

    def restored(self) -> Match:
        """The match that the journal leads to."""
        return restore(self.game, self.game.options(), 99, [self.checkpoint], self.records)

    def tick(self) -> Step:
        step = self.room.step()
        self.records.append(encode_record(step.commit))
        return step

    def seat(self, name: str) -> int:
        self.room.join(SeatRequest(nonce(name), name))
        number = self.tick().seated[nonce(name)]
        self.room.present.add(number)
        return number


@pytest.mark.parametrize("past", [2**31, 2**32, INTEGER_MAX - 40])
def test_a_room_lives_on_when_its_tick_passes(past: int) -> None:
    old = Old(past - 4)
    ada, bob = old.seat("Ada"), old.seat("Bob")
    view, match = view_of(old.room.match, ada), old.room.match
    show(view, framed(match, 0, ada))
    old.room.present.discard(bob)
    old.room.submit(ada, [item(old.game, 1, 2, "flash")])
    for number in range(2, 12):
        old.room.submit(ada, [item(old.game, number, 1, *(["finish"] if number == 8 else []))])
        old.tick()
        show(view, framed(match, match.tick - 1, ada))
        assert held(view) == seen(match, ada)
        assert view.digest() == digest(match, ada)
    assert match.tick > past
    assert match.get(Player, bob) is None or not match.get(Player, bob).connected  # type: ignore[union-attr]
    assert whole(old.restored()) == whole(match)


def test_inputs_go_on_when_their_seq_passes_2_to_the_32() -> None:
    old = Old(10)
    ada = old.seat("Ada")
    old.room.resume(ada, 0, 2**32 - 2)
    row: Any = old.room.match.get(Player, ada)
    for seq in range(2**32 - 2, 2**32 + 3):
        old.room.submit(ada, [item(old.game, seq, 1)])
        old.tick()
        assert row.input_seq == seq
    assert row.inputs_applied == 5
    assert whole(old.restored()) == whole(old.room.match)


def test_the_last_seq_is_applied_and_the_room_goes_on() -> None:
    old = Old(10)
    ada = old.seat("Ada")
    old.room.resume(ada, 0, INTEGER_MAX)
    old.room.submit(ada, [item(old.game, INTEGER_MAX, 1)])
    for _ in range(3):
        old.tick()
    row: Any = old.room.match.get(Player, ada)
    assert row.input_seq == INTEGER_MAX
    assert whole(old.restored()) == whole(old.room.match)


def test_a_room_that_has_used_up_its_ids_refuses_who_needs_one_and_goes_on() -> None:
    old = Old(10, ENTITY_ID_MAX - 4, Plain())
    ada = old.seat("Ada")
    left = ENTITY_ID_MAX - old.room.match.room.next_id
    for seq in range(1, left + 1):
        old.room.submit(ada, [item(old.game, seq, None, "flash")])
        old.tick()
    assert old.room.match.room.next_id == ENTITY_ID_MAX
    before = whole(old.room.match)[2:4]
    old.room.submit(ada, [item(old.game, left + 1, None, "flash")])
    old.room.join(SeatRequest(nonce("Bob"), "Bob"))
    step = old.tick()
    assert [refusal.reason for refusal in step.commit.refusals] == ["this room has used up its ids"]
    assert step.refused[nonce("Bob")].reason == "this room has used up its ids"
    assert whole(old.room.match)[2:4] == before, "what nobody owns is still there"
    assert whole(old.restored()) == whole(old.room.match)


class Bomb(Yard):
    """Spawns as much as there may be, each tick anew."""

    def step(self, match: Match, inputs: Any) -> None:
        flash = self.entities[2]
        for row in match.all(flash):
            match.despawn(row)
        for _ in range(19_990):
            match.spawn(flash())


def test_a_game_that_spawns_its_limit_each_tick_is_named_and_does_not_begin_anew() -> None:
    old = Old(10, game=Bomb())
    for _ in range(3):
        old.tick()
    with pytest.raises(HookFailed, match="Flash: 65536 rows were spawned of late; from here on"):
        old.tick()
    old.room.recover(old.restored())
    with pytest.raises(HookFailed, match="rows were spawned of late"):
        old.room.step_without("failed")


def test_a_runner_with_all_the_coins_there_may_be_denies_nobody() -> None:
    game = Coins()
    match = Match(game, game.options(), 99)
    room = Room("coinscoinscoins", match, 1)
    for name in ("Ada", "Bob"):
        room.join(SeatRequest(nonce(name), name))
    room.step()
    rich, other = match.all(Runner)
    match.open_rows()
    rich.coins = 65_535
    room.step()
    picked: list[int] = []
    for seq in range(1, 201):
        match.open_rows()
        near = match.all(Coin)[0]
        near.x, near.y = rich.x, rich.y
        picked.append(near.id)
        items = decode_items(game, [InputItem(seq, [1, 0])])
        room.submit(other.owner, items)
        room.step()
        assert rich.coins == 65_535
    row: Any = match.get(Player, other.owner)
    assert (row.input_seq, row.inputs_applied, row.inputs_skipped) == (200, 200, 0)
    assert not any(match.get(Coin, number) for number in picked), "each coin was picked up"
