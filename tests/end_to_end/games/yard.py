"""Yard: a place for tests, with seats, actions, options and what only an owner sees."""

from holdfast import (
    OWNER,
    Action,
    Entity,
    Game,
    Input,
    Inputs,
    Match,
    Options,
    Player,
    Refused,
    bounded,
    f32,
    fixed,
    text,
    u16,
)


class Walker(Entity):
    x: float = fixed(1 / 1024)
    steps: int = u16(to=OWNER)


class Walk(Input):
    x: int = bounded(-1, 1)
    push: float = f32()


class Say(Action):
    words: str = text(20)


class Size(Options):
    width: int = bounded(1, 9, 3)


class Yard(Game):
    entities = (Walker,)
    input = Walk
    actions = (Say,)
    options = Size
    tick_rate = 60
    seats = 200
    grace_s = 2.0
    room_empty_s = 2.0

    def join(self, match: Match, player: Player) -> None:
        if player.name == "stranger":
            raise Refused("strangers stay outside")
        match.spawn(Walker(owner=player))

    def act(self, match: Match, player: Player, action: Action) -> None:
        assert isinstance(action, Say)
        if action.words == "no":
            raise Refused("that word is not said here")

    def step(self, match: Match, inputs: Inputs[Walk]) -> None:
        for walker in match.all(Walker):
            step = inputs[walker.owner].x
            if step:
                walker.x += step * match.dt
                walker.steps = (walker.steps + 1) % 60_000
