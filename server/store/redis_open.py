"""What is checked when a Redis is opened, before anything of a room is read or written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from server.store.base import StoreCorrupt, StoreTooNew, StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_client import Client
from shared.errors import StoreError

FORMAT = 1
"""Kept under `{prefix}:format`; raised whenever an older Holdfast could not read the rooms."""

VERSION_MIN = (6, 2)
"""The first with XADD NOMKSTREAM, XTRIM MINID and exclusive ranges; every Valkey has them."""


async def check(client: Client) -> None:
    """Raise a `StoreError` whose one sentence says why this Redis, or a node, cannot keep rooms."""
    for node in client.nodes.all:
        facts = await _facts(client, node)
        _check_version(node, facts)
        _check_role(node, facts)
        _check_policy(node, await _policy(client, node, facts))
    await _check_format(client)


async def _facts(client: Client, node: Address) -> Mapping[str, object]:
    """What INFO tells; nothing where it is not permitted, and then nothing can be held against."""
    try:
        found = await client.ask(node, "INFO")
    except StoreError as error:
        if "NOPERM" in str(error):
            return {}
        raise
    if not isinstance(found, dict):
        raise StoreUnavailable(f"what answers at {node} is no Redis (it has no INFO)")
    return cast("Mapping[str, object]", found)


def _check_version(address: Address, facts: Mapping[str, object]) -> None:
    text = str(facts.get("redis_version", ""))
    found = re.match(r"(\d+)\.(\d+)", text)
    if found and (int(found[1]), int(found[2])) < VERSION_MIN:
        least = ".".join(map(str, VERSION_MIN))
        raise StoreUnavailable(
            f"{address} is Redis {text[:20]}, and Holdfast needs {least} or newer, or any Valkey: "
            "update it, or name another"
        )


def _check_role(address: Address, facts: Mapping[str, object]) -> None:
    if facts.get("role", "master") != "master":
        raise StoreUnavailable(f"{address} is a replica and cannot be written: name the primary")


async def _policy(client: Client, node: Address, facts: Mapping[str, object]) -> str:
    """What the Redis does when its memory is full; "" where that cannot be found out."""
    if "maxmemory_policy" in facts:
        return str(facts["maxmemory_policy"])
    try:
        found = await client.ask(node, "CONFIG", "GET", "maxmemory-policy")
    except StoreError:
        # Managed services refuse CONFIG.
        return ""
    named = re.search(r"(noeviction|(?:allkeys|volatile)-[a-z]+)", str(found))
    return named[1] if named else ""


def _check_policy(address: Address, policy: str) -> None:
    if policy not in {"", "noeviction"} and not address.evicting:
        raise StoreUnavailable(
            f"{address} throws keys away when its memory is full (maxmemory-policy {policy}), and "
            "matches with them: set maxmemory-policy to noeviction there, or add ?evicting=allow "
            "to the address to live with it"
        )


async def _check_format(client: Client) -> None:
    """Claim the prefix, or find it claimed by a Holdfast of this format."""
    key = client.address.key("format")
    await client.command("SET", key, str(FORMAT), "NX")
    found = await client.command("GET", key)
    text = found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)
    where = f"{client.address} with prefix {client.address.prefix}"
    if re.fullmatch(r"[0-9]{1,9}", text) is None or int(text) < 1:
        raise StoreCorrupt(
            f"{where} is not Holdfast's: {key.decode()} holds {text[:40]!r}; it was left as it is: "
            "choose another ?prefix="
        )
    if int(text) > FORMAT:
        raise StoreTooNew(
            f"{where} was written by a newer Holdfast (format {text}, this one knows {FORMAT}): "
            "update, or choose another ?prefix="
        )
