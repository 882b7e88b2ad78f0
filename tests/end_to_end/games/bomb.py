"""Bomb: a game with a fault in every hook, each set off on demand."""

from random import Random

from holdfast import (
    Action,
    Entity,
    Game,
    Input,
    Inputs,
    Match,
    Options,
    Player,
    View,
    flag,
    text,
    u16,
)

# Rooms whose fault is in every tick play so far first.
FAULTLESS_TICKS = 20


class Clock(Entity):
    pressed: int = u16()


class Press(Input):
    button: bool = flag()
    crash: bool = flag()


class Boom(Action):
    pass


class Fault(Options):
    where: str = text(10)


class Bomb(Game):
    entities = (Clock,)
    input = Press
    actions = (Boom,)
    options = Fault
    seats = 8

    def start(self, match: Match) -> None:
        match.spawn(Clock())
        goes_off(match, "start", 0)

    def join(self, match: Match, player: Player) -> None:
        if player.name == "bomb":
            raise ValueError("a bomb came in")

    def leave(self, match: Match, player: Player) -> None:
        if player.name == "sore":
            raise ValueError("a sore loser left")

    def act(self, match: Match, player: Player, action: Action) -> None:
        raise ValueError("it was set off")

    def step(self, match: Match, inputs: Inputs[Press]) -> None:
        [clock] = match.all(Clock)
        for player in match.players:
            if inputs[player].button:
                clock.pressed += 1
            if inputs[player].crash:
                raise ValueError("the wrong button")
        goes_off(match, "step", FAULTLESS_TICKS)
        if match.options.where == "state":
            # What a beginner writes: it would be lost with the process.
            self.pressed = clock.pressed

    def visible(self, match: Match, player: Player | None) -> None:
        goes_off(match, "visible", FAULTLESS_TICKS)


class Nervous:
    def think(self, view: View, rng: Random) -> Press:
        """Presses the button, until it is asked to think once too often."""
        if view.tick > FAULTLESS_TICKS:
            raise ValueError("too much")
        return Press(button=True)


def goes_off(match: Match, where: str, tick: int) -> None:
    if match.options.where == where and match.tick >= tick:
        raise ValueError(f"it went off in {where}")
