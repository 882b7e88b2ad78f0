"""What a process says to the others through a Redis, or through the nodes of a cluster.

A channel has its slot's node (`SPUBLISH`) where the servers can do that; where they cannot, a node
passes on what it is told (`PUBLISH`), to the other nodes as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import hiredis

from server.store.redis_address import Address
from server.store.redis_connection import Reply
from server.store.redis_nodes import Nodes
from server.store.redis_voice import Voice


class Leaving(Protocol):
    """What a node is spoken or listened to by, and which ends when the node is no more."""

    async def close(self) -> None:
        """End it."""


class Speaker:
    """One voice a node; made closed. `leave` closes what is of no use any more."""

    def __init__(
        self,
        nodes: Nodes,
        answer_s: float,
        chance: Callable[[int], bytes],
        log: logging.Logger,
        leave: Callable[[Leaving], None],
    ) -> None:
        self._nodes = nodes
        self._answer_s = answer_s
        self._chance = chance
        self._log = log
        self._leave = leave
        self._voices: dict[Address, Voice] = {}

    async def open(self) -> None:
        """Connect to every node; raise `StoreUnavailable` saying why that cannot be."""
        for node in self._nodes.all:
            await self._voice(node).link.open()

    async def close(self) -> None:
        """Say what is left to say, and end."""
        voices, self._voices = self._voices, {}
        for voice in voices.values():
            await voice.close()

    def publish(self, channel: bytes, message: bytes) -> None:
        """Say something to all who listen to a channel, by the end of this turn of the loop."""
        word = b"SPUBLISH" if self._nodes.sharded else b"PUBLISH"
        voice = self._voices.get(self._nodes.of(channel))
        if voice is not None:
            voice.say(hiredis.pack_command((word, channel, message)))

    async def ask(self, key: bytes, command: bytes) -> Reply:
        """One reply of who keeps a key, after all that was said to it before.

        Raises `StoreUnavailable` with why not.
        """
        return await self._voice(self._nodes.of(key)).ask(command)

    def learnt(self) -> None:
        """Speak to the nodes there are now, and to no others."""
        for gone in self._voices.keys() - set(self._nodes.all):
            self._leave(self._voices.pop(gone))
        for node in self._nodes.all:
            if node not in self._voices:
                self._voice(node).link.begin()

    def _voice(self, node: Address) -> Voice:
        voice = self._voices.get(node)
        if voice is None:
            voice = self._voices[node] = Voice(
                node, self._answer_s, self._chance, self._log, self._nodes.doubt
            )
        return voice
