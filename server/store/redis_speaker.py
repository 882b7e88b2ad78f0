"""What a process says to the others through a Redis, or through the nodes of a cluster.

A channel has its slot's node (`SPUBLISH`) where the servers can do that; where they cannot, a node
passes on what it is told (`PUBLISH`), to the other nodes as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import hiredis

from server.store.redis_connection import Reply
from server.store.redis_each import EachNode
from server.store.redis_nodes import Nodes
from server.store.redis_voice import Voice


class Speaker:
    """One voice a node; made closed."""

    def __init__(
        self, nodes: Nodes, answer_s: float, chance: Callable[[int], bytes], log: logging.Logger
    ) -> None:
        self._nodes = nodes
        self.voices = EachNode(
            nodes, lambda node: Voice(node, answer_s, chance, log, nodes.doubt), Voice.close
        )
        nodes.when_learnt(self._learnt)

    async def open(self) -> None:
        """Connect to every node; raise `StoreUnavailable` saying why that cannot be."""
        for voice in self.voices.all():
            await voice.link.open()

    async def close(self) -> None:
        """Say what is left to say, and end."""
        await self.voices.close()

    def publish(self, channel: bytes, message: bytes) -> None:
        """Say something to all who listen to a channel, by the end of this turn of the loop."""
        word = b"SPUBLISH" if self._nodes.sharded else b"PUBLISH"
        self.voices.of(channel).say(hiredis.pack_command((word, channel, message)))

    async def ask(self, key: bytes, command: bytes) -> Reply:
        """One reply of who keeps a key, after all that was said to it before.

        Raises `StoreUnavailable` with why not.
        """
        return await self.voices.of(key).ask(command)

    def _learnt(self) -> None:
        """Speak to nodes that are new, too."""
        for voice in self.voices.all():
            voice.link.begin()
