"""Stuck: a game that does not return from the hook that its option names."""

import re
from random import Random
from time import sleep

from holdfast import Action, Game, Input, Inputs, Match, Options, Player, View, flag, text

# What is stuck in every tick plays so far first.
FINE_TICKS = 10


class Press(Input):
    button: bool = flag()


class Boom(Action):
    pass


class Where(Options):
    where: str = text(10)


class Stuck(Game):
    input = Press
    actions = (Boom,)
    options = Where
    seats = 4

    def start(self, match: Match) -> None:
        if match.options.where == "start":
            loop()

    def join(self, match: Match, player: Player) -> None:
        if match.options.where == "join":
            loop()

    def act(self, match: Match, player: Player, action: Action) -> None:
        loop()

    def step(self, match: Match, inputs: Inputs[Press]) -> None:
        if match.tick < FINE_TICKS:
            return
        if match.options.where == "step":
            loop()
        if match.options.where == "sleep":
            sleep(3600)
        if match.options.where == "regex":
            # One call of C that keeps the interpreter to itself.
            re.match(r"(a+)+$", "a" * 64 + "b")

    def visible(self, match: Match, player: Player | None) -> None:
        if match.options.where == "visible" and match.tick >= FINE_TICKS:
            loop()


class Staring:
    def think(self, view: View, rng: Random) -> Press:
        """Is stuck once it was asked often enough."""
        if view.tick >= FINE_TICKS:
            loop()
        return Press()


def loop() -> None:
    while True:
        pass
