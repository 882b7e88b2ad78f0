"""Where a connection comes from: the address to believe, and how many share it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from shared.errors import ConfigError

IPV6_NETWORK_BITS = 64
"""One customer's IPv6 network; within it addresses cost nothing, so it counts as one."""


class Crowd:
    """How many connections each address holds."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def enter(self, key: str) -> int:
        """Count one more for `key` (from `crowd_key`) and say how many it now holds."""
        held = self._held.get(key, 0) + 1
        self._held[key] = held
        return held

    def leave(self, key: str) -> None:
        """Count one less; an address without connections is forgotten."""
        held = self._held[key] - 1
        if held:
            self._held[key] = held
        else:
            del self._held[key]

    def held(self, key: str) -> int:
        """How many connections `key` holds."""
        return self._held.get(key, 0)


def crowd_key(address: str) -> str:
    """What an address counts as: itself, or for IPv6 its /64 network."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        network = int(parsed) >> (128 - IPV6_NETWORK_BITS) << (128 - IPV6_NETWORK_BITS)
        return f"{IPv6Address(network)}/{IPV6_NETWORK_BITS}"
    return address if parsed is None else str(parsed)


def believed_address(socket_address: str, forwarded: Sequence[str], position: int | None) -> str:
    """The peer's address as one entry of X-Forwarded-For has it, or as the socket has it.

    `forwarded` holds the values of all X-Forwarded-For headers in order. `position` counts from
    the end (-1 is the last entry), since whoever sends a request can put anything at the front.
    A missing or unreadable entry leaves the socket's address.
    """
    if position is None:
        return socket_address
    entries = [entry.strip() for value in forwarded for entry in value.split(",")]
    if len(entries) < -position:
        return socket_address
    parsed = _parse(_without_port(entries[position]))
    return socket_address if parsed is None else str(parsed)


def check_position(position: int | None) -> None:
    """Raise ConfigError for a position of X-Forwarded-For that a client could forge."""
    if position is not None and position >= 0:
        raise ConfigError(
            f"forwarded position {position} counts from the front, which clients write themselves;"
            " use -1 for the last entry, -2 for the one before it"
        )


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _without_port(entry: str) -> str:
    """Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    host, colon, _ = entry.partition(":")
    return host if colon and entry.count(":") == 1 else entry
