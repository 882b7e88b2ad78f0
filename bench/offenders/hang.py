"""Hang: a game whose step never returns, three seconds after its room began."""

from holdfast import Game, Input, Inputs, Match

HANGS_AT = 60


class Hang(Game):
    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        while match.tick >= HANGS_AT:
            pass
