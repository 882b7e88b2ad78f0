"""The rules: one folder a game, loaded by name."""
