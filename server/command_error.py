"""What a command says when nothing came of it."""

from __future__ import annotations


class CommandError(Exception):
    """Why nothing came of a command, in one sentence for the operator."""
