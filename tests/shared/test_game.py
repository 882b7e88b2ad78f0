"""The contract of a game: what it may declare, and what its hooks do unless it says otherwise."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from shared.entities import Entity, EntityMeta, Event, Player, Room
from shared.errors import ConfigError, Refused
from shared.fields import bounded, f64, flag, ref, text, u8
from shared.game import Game, Inputs
from shared.inputs import Action, Input, InputMeta, Options
from shared.limits import MESSAGE_BYTES_MAX
from shared.match import Match
from shared.messages import InputItem, InputMessage, Join


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


def options_of(**fields: Any) -> Any:
    return InputMeta("Setup", (Options,), fields)


def action_of(name: str = "Say", **fields: Any) -> Any:
    return InputMeta(name, (Action,), fields)


@pytest.mark.parametrize("attribute", ["grace_s", "room_empty_s", "finished_s"])
@pytest.mark.parametrize("span", [inf, -inf, nan, -1, -0.001, True, "60", None, 2_592_001])
def test_a_span_is_a_finite_number_of_seconds(attribute: str, span: object) -> None:
    with pytest.raises(ConfigError, match=rf"Made\.{attribute} is .*; expected seconds from 0 to"):
        game(**{attribute: span}).check()
    for fitting in (0, 0.25, 60, 2_592_000):
        game(**{attribute: fitting}).check()


@pytest.mark.parametrize(
    ("attribute", "most"),
    [
        ("event_ticks", 11_059_200),
        ("input_hold_ticks", 11_059_200),
        ("input_backlog_ticks", 256),
        ("journal_lag_ticks_max", 1024),
        ("actions_per_tick_max", 2048),
    ],
)
def test_a_count_is_a_whole_number_in_its_range(attribute: str, most: int) -> None:
    game(**{attribute: most}).check()
    for wrong in (most + 1, -1, 2.0, nan, True, "3"):
        with pytest.raises(ConfigError, match=rf"Made\.{attribute} is .*; expected a whole number"):
            game(**{attribute: wrong}).check()


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"options": options_of(room=text(9))}, r"Setup\.room: every room has an option of that"),
        ({"options": options_of(bots=u8())}, r"Setup\.bots: every room has an option of that name"),
        ({"options": options_of(private=flag())}, r"Setup\.private: every room has an option"),
        ({"options": options_of(at=ref(Room))}, r"Setup\.at refers to a row; there is none before"),
        (
            {"options": options_of(**{f"o{n}": u8() for n in range(14)})},
            "Made has 14 options; at most 13",
        ),
        (
            {"actions": (action_of(), action_of(words=text(5)))},
            "Made: two of its actions are called Say; rename one",
        ),
        (
            {"actions": (action_of("_Say"),)},
            "clients know _Say by its name; begin it with a letter",
        ),
        ({"entities": (EntityMeta("_Rock", (Entity,), {}),)}, "clients know _Rock by its name"),
        (
            {"actions": tuple(action_of(f"A{n}") for n in range(128))},
            "has 128 actions; at most 127",
        ),
        ({"title": 7}, "Made.title is 7; expected a text of at most 64 characters"),
        (
            {"actions": (action_of(words=text(16_384), n=u8(), deep=f64(), wide=f64(), hi=u8()),)},
            r"Say takes up to 16423 bytes \(words 16387 \+ n 9 \+ deep 9 \+ 18 of others\); a mess",
        ),
        (
            {"input": InputMeta("Move", (Input,), {"a": text(6000), "b": text(6000)})},
            r"Made: Move takes up to 12006 bytes \(a 6003 \+ b 6003\)",
        ),
        (
            {"options": options_of(map=text(16_000))},
            r"Made: Setup takes up to 16003 bytes \(map 16003\); a message has room for 133\d\d",
        ),
    ],
)
def test_what_could_not_be_asked_or_sent_is_refused(attributes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        game(**attributes).check()


def test_the_largest_action_and_options_that_are_taken_fit_in_a_message() -> None:
    made = action_of(words=text(8157))
    asks = options_of(story=text(13_302))
    rules = game(actions=(made,), options=asks)
    rules.check()
    wire = made(words="w" * 8157).to_wire()
    item = InputItem(2**53, [], ([0, *wire],), 2**53)
    assert len(InputMessage(2**53, (item,)).encode()) <= MESSAGE_BYTES_MAX
    texts = {"name": "n" * 24, "identity": "i" * 128, "build": "b" * 64}
    options = {"story": "s" * 13_302, "room": "r" * 32, "bots": 64, "private": True}
    assert len(Join(bytes(16), "g" * 64, options, **texts).encode()) <= MESSAGE_BYTES_MAX  # type: ignore[arg-type]


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


async def _async(self: Game, *arguments: Any) -> None:
    return None


async def _streams(self: Game, *arguments: Any) -> Any:
    yield 1


def _yields(self: Game, *arguments: Any) -> Any:
    yield 1


def _takes_nothing(self: Game) -> None:
    return None


def _takes_four(self: Game, a: int, b: int, c: int, d: int) -> None:
    return None


HOOKS = ("start", "migrate", "join", "leave", "act", "step", "visible")


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (_async, "is async; nothing in a game is"),
        (_streams, "is async; nothing in a game is"),
        (_yields, "has a `yield`, so it would never run"),
        (7, "is 7; expected def"),
        (_takes_nothing, r"takes \(\) -> 'None'; expected def"),
        (_takes_four, r"takes \(a: 'int', b: 'int', c: 'int', d: 'int'\) -> 'None'; expected"),
    ],
)
def test_a_hook_that_could_never_run_is_refused_at_the_start(
    hook: str, wrong: Any, said: str
) -> None:
    made = game(**{hook: wrong})
    if hook == "visible" and wrong is _yields:
        made.check()
        return
    with pytest.raises(ConfigError, match=rf"Made\.{hook} {said}"):
        made.check()


def test_a_hook_may_take_more_than_it_is_given_and_name_it_as_it_likes() -> None:
    def step(self: Game, world: Match, asked: Inputs[Input], *, often: int = 1) -> None:
        return None

    def join(self: Game, *given: object) -> None:
        return None

    def act(match: Match, player: Player, action: Action) -> None:
        return None

    game(step=step, join=join, act=staticmethod(act)).check()
