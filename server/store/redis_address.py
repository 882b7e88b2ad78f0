"""A Redis address: read from its URL, shown without its password, and the names of its keys.

```
redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?prefix=NAME&evicting=allow&durable=REPLICAS]
```
and `rediss://` with TLS. Keys of one room lie in one slot of a cluster, as do the keys of all rooms
together:
```
{PREFIX:ROOM}:room  {PREFIX:ROOM}:journal  {PREFIX:ROOM}:newest  {PREFIX:ROOM}:older
{PREFIX}:format     {PREFIX}:rooms         {PREFIX}:results       {PREFIX}:waited
```
The directory's keys are listed in `redis_directory_scripts`, the channels in `redis_exchange`.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from shared.errors import ConfigError

PORT = 6379
PREFIX_DEFAULT = "holdfast"
PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a key prefix looks like: a brace would move the slot, a colon could meet another prefix."""

_FORM = (
    "redis://[USER:PASSWORD@]HOST:PORT/DB, with ?prefix=NAME, &durable=1 or &evicting=allow where "
    "needed"
)
_OPTIONS = {"prefix", "evicting", "durable"}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis is and how its keys begin; its text leaves user and password out."""

    host: str
    port: int = PORT
    db: int = 0
    tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    prefix: str = PREFIX_DEFAULT
    evicting: bool = False
    durable: int = 0
    """Replicas that must have a tick before it counts as committed."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}"

    def key(self, name: str) -> bytes:
        """The key of something that all rooms share."""
        return f"{{{self.prefix}}}:{name}".encode()

    def room_key(self, room: str, name: str) -> bytes:
        """The key of a part of one room."""
        return f"{{{self.prefix}:{room}}}:{name}".encode()

    def tls_context(self) -> ssl.SSLContext | None:
        """How the server is verified: the system's authorities, or those in SSL_CERT_FILE."""
        return ssl.create_default_context() if self.tls else None


def parse_address(url: str) -> Address:
    """Read a URL; raise a `ConfigError` that quotes nothing where a password may stand."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise _wrong("host and port cannot be read") from None
    if parts.fragment or "#" in url:
        raise _wrong("it has a # in it; write %23 in a password")
    if not host or _HOST.fullmatch(host) is None:
        raise _wrong("the host cannot be read; percent-encode what is special in a password")
    if port == 0:
        raise _wrong("no server listens on port 0")
    user, password = _credentials(parts)
    prefix, evicting, durable = _options(parts.query)
    return Address(
        host,
        port or PORT,
        _db(parts.path),
        parts.scheme == "rediss",
        user,
        password,
        prefix,
        evicting,
        durable,
    )


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    before, at, _ = parts.netloc.rpartition("@")
    if not at:
        return None, None
    user, _, password = before.partition(":")
    if not password:
        raise _wrong("there is an @ but no password before it; give USER:PASSWORD@ or :PASSWORD@")
    return unquote(user) or None, unquote(password)


def _db(path: str) -> int:
    text = path.removeprefix("/")
    if text and re.fullmatch(r"[0-9]{1,5}", text) is None:
        raise _wrong(f"after the host stands the number of a database, not {text[:40]!r}")
    return int(text or "0")


def _options(query: str) -> tuple[str, bool, int]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs) or not options.keys() <= _OPTIONS:
        names = ", ".join(name[:40] for name, _ in pairs)
        raise _wrong(
            f"its options are {names!r}; there are prefix, evicting and durable, each once"
        )
    prefix = options.get("prefix", PREFIX_DEFAULT)
    if PREFIX.fullmatch(prefix) is None:
        raise _wrong(f"prefix {prefix[:80]!r}: use 1 to 64 characters of a-z, 0-9, '.', '_', '-'")
    evicting = options.get("evicting", "refuse")
    if evicting not in {"allow", "refuse"}:
        raise _wrong(f"evicting={evicting[:40]!r}: give evicting=allow, or leave it out")
    durable = options.get("durable", "0")
    if re.fullmatch(r"[0-9]", durable) is None:
        raise _wrong(
            f"durable={durable[:40]!r}: give how many replicas must have each tick, 1 to 9, or 0"
        )
    return prefix, evicting == "allow", int(durable)


def _wrong(problem: str) -> ConfigError:
    return ConfigError(f"the Redis address in --store: {problem}; give {_FORM}")
