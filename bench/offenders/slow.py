"""Slow: a game whose every step takes four ticks' time."""

from time import perf_counter

from holdfast import Game, Input, Inputs, Match

STEP_S = 0.2


class Slow(Game):
    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        end = perf_counter() + STEP_S
        while perf_counter() < end:
            pass
