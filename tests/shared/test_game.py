"""The contract of a game: what it may declare, and what its hooks do unless it says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from shared.entities import Entity, EntityMeta, Event, Player, Room
from shared.errors import ConfigError, Refused
from shared.fields import bounded, ref, u8
from shared.game import Game, Inputs
from shared.inputs import Action, Input, Options
from shared.match import Match


class Tank(Entity):
    ally: int = u8()


class Shell(Entity):
    by: int = ref(Tank)
    shooter: int = ref(Player)
    field: int = ref(Room)


class Steer(Input):
    x: int = bounded(-1, 1)


class Fire(Action):
    at: int = ref(Tank)


class Tanks(Game):
    entities = Tank, Shell
    input = Steer
    actions = (Fire,)


def game(**attributes: Any) -> Game:
    """A game with these class attributes."""
    made = type("Made", (Game,), attributes)()
    assert isinstance(made, Game)
    return made


def match_of(rules: Game) -> Match:
    """A match with two players."""
    match = Match(rules, rules.options(), seed=1)
    match.spawn(rules.room())
    for name in ("ada", "bob"):
        match.spawn(rules.player(name=name))
    return match


def test_a_player_without_an_input_has_the_neutral_one() -> None:
    ada, bob = match_of(Tanks()).players
    inputs = Inputs(Steer(), {ada.id: Steer(x=1)})
    assert (inputs[ada].x, inputs[ada.id].x) == (1, 1)
    assert (inputs[bob].x, inputs[0].x) == (0, 0)


def test_tables_are_the_rooms_the_players_and_what_is_declared() -> None:
    assert Tanks().kinds == (Room, Player, Tank, Shell)
    Tanks().check()
    Game().check()


def test_events_live_for_a_second_unless_the_game_says_otherwise() -> None:
    assert game(tick_rate=30).event_lifetime_ticks == 30
    assert game(event_ticks=0).event_lifetime_ticks == 0


def test_a_game_hides_what_it_says_is_not_visible() -> None:
    def visible(self: Game, match: Match, player: Player | None) -> list[Entity]:
        return []

    assert not Tanks().hides
    assert game(visible=visible).hides
    assert Tanks().visible(match_of(Tanks()), None) is None


def test_hooks_do_nothing_much_unless_written() -> None:
    rules = Tanks()
    match = match_of(rules)
    ada, bob = match.players
    rules.start(match)
    rules.join(match, ada)
    with pytest.raises(Refused, match="Tanks takes no Fire"):
        rules.act(match, ada, Fire())
    with pytest.raises(NotImplementedError, match=r"Tanks\.step\(match, inputs\) is the game"):
        rules.step(match, Inputs(Steer(), {}))
    hers = match.spawn(Tank(owner=ada))
    match.spawn(Tank(owner=bob))
    match.spawn(Shell(owner=ada))
    rules.leave(match, ada)
    assert hers not in match.all(Tank)
    assert [row.owner for row in match.all(Tank)] == [bob.id]
    assert match.count(Shell) == 0
    assert match.players == [ada, bob]


def test_a_game_holds_no_state() -> None:
    rules: Any = Tanks()
    with pytest.raises(AttributeError, match=r"Tanks\.score: a game holds no state"):
        rules.score = 3


class Twin(Entity):
    pass


OTHER_TWIN = EntityMeta("Twin", (Entity,), {})


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"tick_rate": 0}, "Made.tick_rate is 0; expected a whole number from 1 to 128"),
        ({"tick_rate": 129}, "Made.tick_rate is 129"),
        ({"tick_rate": 20.0}, "Made.tick_rate is 20.0; expected a whole number"),
        ({"send_every": 21}, "Made.send_every is 21; expected a whole number from 1 to 20"),
        ({"send_every": 0}, "Made.send_every is 0"),
        ({"seats": 0}, "Made.seats is 0; expected a whole number from 1 to 1000"),
        ({"seats": "4"}, "Made.seats is '4'"),
        ({"entities": Tank}, "Made.entities must be a tuple, as in `entities = Tank,`"),
        ({"actions": [Fire]}, "Made.actions must be a tuple"),
        ({"entities": (Tank, Steer)}, "Made.entities holds <class .*Steer'>; expected a class of"),
        ({"entities": (Tank(),)}, "Made.entities holds <Tank 0"),
        ({"actions": (Steer,)}, "expected a class of Action"),
        ({"input": Fire}, "expected a class of Input"),
        ({"room": Player}, "expected a class of Room"),
        ({"player": Tank}, "expected a class of Player"),
        ({"options": Input}, "expected a class of Options"),
        ({"entities": (Tank,) * 126}, "Made has 128 tables; at most 127"),
        ({"entities": (Room,)}, "name the Room in `room`, the Player in `player`"),
        ({"entities": (EntityMeta("P", (Player,), {}),)}, "name the Room in `room`"),
        ({"entities": (Tank, Tank)}, "Made: two of its tables are called Tank; rename one"),
        ({"entities": (Twin, OTHER_TWIN)}, "two of its tables are called Twin"),
        ({"entities": (Shell,)}, "Shell.by refers to Tank, which is not in Made.entities"),
        ({"actions": (Fire,)}, "Fire.at refers to Tank, which is not in Made.entities"),
    ],
)
def test_what_makes_no_game_is_refused_with_the_remedy(
    attributes: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ConfigError, match=wrong):
        game(**attributes).check()


def test_an_event_is_an_entity_too() -> None:
    assert issubclass(Event, Entity)
    assert game(entities=(Event,), options=Options).kinds[2] is Event
