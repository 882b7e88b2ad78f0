"""Overflow: what a commit makes of numbers beyond their bounds, for one row and for many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, isfinite, nan, pi
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.coins.game import Coins, Runner
from shared.columns import encode_column, fits
from shared.entities import Entity, EntityMeta, Room
from shared.errors import ConfigError, GameError
from shared.fields import (
    Field,
    Overflow,
    angle,
    bounded,
    f32,
    f64,
    fixed,
    i8,
    i32,
    text,
    u8,
    u16,
)
from shared.game import Game
from shared.inputs import Action, InputMeta, Options
from shared.limits import FIXED_WIRE_MAX
from shared.match import Match
from shared.overflow import brought_within, commit_column
from shared.rounding import RoundingWatch
from shared.schema import describe, parse
from tests.shared.ends import follower_of, take_in
from tests.shared.reference import whole

Declare = Callable[..., Any]

WHOLE: tuple[Declare, ...] = (u8, i8, u16, i32, partial(bounded, 5, 9), partial(bounded, 3, 3))
GRID: tuple[Declare, ...] = (
    partial(fixed, 1 / 64, lo=-9, hi=9),
    partial(fixed, 0.01, 1.0, lo=0.5, hi=7.25),
    partial(fixed, 1 / 3, lo=0, hi=1),
)
BOUNDED = (*WHOLE, *GRID)
POLICIES = ("clamp", "wrap", "fail", None)

wholes = st.one_of(st.integers(-400, 400), st.integers(-(2**40), 2**40), st.integers())
finite = st.one_of(
    st.floats(-20, 20), st.floats(allow_nan=False, allow_infinity=False), st.integers(-20, 20)
)
numbers = st.one_of(wholes, finite)


def field(declared: Any) -> Field:
    """What a declaration in a class body is, behind the type it shows."""
    return cast("Field", declared)


def committed(spec: Field, value: Any) -> Any:
    """One value as it is after a commit."""
    _, back = commit_column(spec, [value], typed=False)
    return value if back is None else back[0]


def game_of(declares: list[Declare]) -> Game:
    kind: Any = EntityMeta("Thing", (Entity,), {f"f{n}": m() for n, m in enumerate(declares)})

    class Things(Game):
        entities = (kind,)

    return Things()


@pytest.mark.parametrize("declare", BOUNDED)
@given(data=st.data())
def test_clamped_is_the_nearest_bound(declare: Declare, data: st.DataObject) -> None:
    spec = field(declare(overflow="clamp"))
    value = data.draw(wholes if declare in WHOLE else finite)
    result = committed(spec, value)
    assert spec.lo is not None
    assert spec.hi is not None
    if fits(spec, value):
        assert result == (encode_column(spec, [value])[1] or [value])[0]
    else:
        assert result == (spec.lo if value < spec.lo else spec.hi)
    assert committed(field(declare()), value) == result, "to clamp is the default"


@pytest.mark.parametrize("declare", BOUNDED)
@given(data=st.data())
def test_wrapped_goes_on_from_the_other_bound(declare: Declare, data: st.DataObject) -> None:
    if declare not in WHOLE:
        spec, value = field(declare(overflow="wrap")), data.draw(finite)
        assert spec.lo is not None
        assert spec.hi is not None
        turns = (spec.hi - spec.lo) * spec.scale
        result = committed(spec, value)
        assert spec.lo <= result <= spec.hi
        if abs(value) < 1000:
            off = (value - result) * spec.scale / turns
            assert abs(off - round(off)) <= 0.51 / turns
        return
    spec, value = field(declare(overflow="wrap")), data.draw(wholes)
    lo, hi = int(spec.lo or 0), int(spec.hi or 0)
    result = committed(spec, value)
    assert lo <= result <= hi
    assert (result - value) % (hi - lo + 1) == 0


@pytest.mark.parametrize("declare", BOUNDED)
@given(data=st.data())
def test_what_fits_is_the_same_by_every_policy_beside_what_does_not(
    declare: Declare, data: st.DataObject
) -> None:
    value = data.draw(wholes if declare in WHOLE else finite)
    spec = field(declare())
    if not fits(spec, value):
        with pytest.raises(ValueError, match=spec.describe()):
            commit_column(field(declare(overflow="fail")), [value])
        return
    alone = encode_column(spec, [value])[0]
    for policy in ("clamp", "wrap"):
        made = field(declare(overflow=policy))
        assert commit_column(made, [value, 10**9], typed=False)[0][:1] == alone


@pytest.mark.parametrize("declare", [*BOUNDED, f32, f64, angle, partial(fixed, 0.01)])
@pytest.mark.parametrize("value", [nan, inf, -inf, "7", None, [7]])
def test_what_is_no_finite_number_fits_by_no_policy(declare: Declare, value: Any) -> None:
    for policy in POLICIES if declare in BOUNDED else (None,):
        spec = field(declare() if policy is None else declare(overflow=policy))
        with pytest.raises(ValueError, match="is not a"):
            commit_column(spec, [value, 1.0])


@pytest.mark.parametrize("value", [3.5, 3.0, 1e300])
def test_a_fraction_is_no_whole_number_by_any_policy(value: float) -> None:
    for policy in ("clamp", "wrap", "fail"):
        with pytest.raises(ValueError, match="not a whole number from 0 to 255"):
            commit_column(field(u8(overflow=policy)), [value])


def test_a_grid_without_bounds_ends_where_the_wire_does() -> None:
    spec = field(fixed(0.01))
    for value, wire in ((1e300, FIXED_WIRE_MAX), (-(10**400), -FIXED_WIRE_MAX)):
        column, back = commit_column(spec, [value, 1.0], typed=False)
        assert column == [wire, 100]
        assert back == [wire / spec.scale, 1.0]


def test_an_angle_wraps_however_far_it_turned() -> None:
    for value in (1e308, -1e305, 7 * pi):
        assert -pi <= committed(field(angle()), value) < pi


@pytest.mark.parametrize("wrong", ["clip", "", 1, "CLAMP"])
def test_a_policy_that_is_none_is_refused_where_it_is_declared(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"overflow is .*; expected 'clamp', 'wrap' or 'fail'"):
        u16(overflow=wrong)
    assert field(u16(overflow=Overflow.WRAP)) == field(u16(overflow="wrap"))


@pytest.mark.parametrize("bounds", [{}, {"lo": 0}, {"hi": 0}, {"lo": 1, "hi": 1}])
def test_a_grid_wraps_between_two_bounds(bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="overflow='wrap' needs both bounds"):
        fixed(1 / 64, 1.0 if "lo" in bounds else 0.0, overflow="wrap", **bounds)


def test_what_a_player_sends_has_no_policy() -> None:
    with pytest.raises(ConfigError, match=r"Buy\.n: what a player sends is refused"):
        InputMeta("Buy", (Action,), {"n": u8(overflow="clamp")})


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(BOUNDED), st.sampled_from(["clamp", "wrap", None])),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 20),
    st.data(),
)
def test_rows_and_deltas_are_equal_to_the_bit_whatever_is_written(
    declared: list[tuple[Declare, str | None]], count: int, data: st.DataObject
) -> None:
    game = game_of([partial(made, overflow=policy) for made, policy in declared])
    match = Match(game, Options(), 1)
    match.begin_tick()
    match.spawn(Room())
    things: list[Any] = [match.spawn(game.entities[0]()) for _ in range(count)]
    match.commit()
    follower = follower_of(match)
    for _ in range(3):
        match.begin_tick()
        for thing in things:
            for index, (made, _) in enumerate(declared):
                setattr(thing, f"f{index}", data.draw(wholes if made in WHOLE else finite))
        take_in(follower, match.commit())
        assert whole(follower) == whole(match)
        assert all(isfinite(getattr(t, f"f{n}")) for t in things for n in range(len(declared)))


@pytest.mark.parametrize("count", [1, 30])
def test_a_commit_that_fails_names_the_row_the_field_and_the_value(count: int) -> None:
    game = game_of([partial(u8, overflow="fail"), u8, partial(text, 4)])
    for key, value, wrong in (
        ("f0", 256, "256 is not a whole number from 0 to 255"),
        ("f1", "many", "'many' is not a whole number from 0 to 255"),
        ("f2", "longer", "'longer' is not text of at most 4 characters"),
    ):
        match = Match(game, Options(), 1)
        match.begin_tick()
        match.spawn(Room())
        things: list[Any] = [match.spawn(game.entities[0]()) for _ in range(count)]
        setattr(things[-1], key, value)
        with pytest.raises(GameError, match=f"Thing.{key} of row {count + 1}: {wrong}"):
            match.commit()


@pytest.mark.parametrize("count", [1, 30])
def test_the_runner_with_most_coins_goes_on_beside_the_others(count: int) -> None:
    game, told = Coins(), list[str]()
    match = Match(game, game.options(), 1)
    match.watch_rounding(RoundingWatch(told.append))
    match.begin_tick()
    match.spawn(game.room())
    runners = [match.spawn(Runner(coins=65_535)) for _ in range(count)]
    match.commit()
    for tick in range(3):
        match.begin_tick()
        for runner in runners:
            runner.coins += 1
            runner.x += 1
        match.commit()
        assert {(runner.coins, runner.x) for runner in runners} == {(65_535, tick + 1.0)}
    assert len(told) == 1
    assert told[0].startswith("Runner.coins was clamped: 65536 is not a whole number from 0 to")
    assert told[0].endswith("say what is meant: overflow='clamp', 'wrap' or 'fail'")


@pytest.mark.parametrize("policy", [Overflow.CLAMP, Overflow.WRAP])
def test_a_declared_policy_is_not_told_and_a_bound_that_is_reached_is_no_lost_motion(
    policy: Overflow,
) -> None:
    game = game_of([partial(fixed, 1 / 64, lo=0, hi=1, overflow=policy)])
    told: list[str] = []
    match = Match(game, Options(), 1)
    match.watch_rounding(RoundingWatch(told.append))
    match.begin_tick()
    match.spawn(Room())
    thing: Any = match.spawn(game.entities[0]())
    for _ in range(9):
        thing.f0 += 2
        match.commit()
        match.begin_tick()
    assert told == []


def test_the_schema_says_a_policy_only_where_it_is_not_to_clamp() -> None:
    plain = describe(game_of([u8, partial(fixed, 0.5, lo=0, hi=2)]))
    assert describe(game_of([partial(u8, overflow="clamp"), partial(fixed, 0.5, lo=0, hi=2)])) == (
        plain
    )
    said = describe(game_of([partial(u8, overflow="wrap"), partial(i8, overflow="fail")]))
    _, entries = said[0][2][1], said[0][2][2]
    assert [entry[-1] for entry in entries] == ["wrap", "fail"]
    fields = parse(said).tables[2].fields
    assert [fields[bit][1].overflow for bit in (1, 2)] == [Overflow.WRAP, Overflow.FAIL]
    entries[0][-1] = "bounce"
    assert parse(said).tables[2].fields[1][1].overflow is None


def test_kinds_without_bounds_are_left_alone() -> None:
    for declared in (f32(), f64(), text(3)):
        assert brought_within(field(declared), [1, 2]) is None
