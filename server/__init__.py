"""The authority: what decides (core), when (host), who is talking (edge), what survives (store)."""

VERSION = "0.1.0"
"""This release, as `pyproject.toml` has it."""
