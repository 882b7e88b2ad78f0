"""A Redis address read from its URL: what is accepted, what is said, and what is never said."""

from __future__ import annotations

import pytest

from server.store.redis_address import Address, parse_address
from shared.errors import ConfigError
from tests.server.store.backends import ROOM

PASSWORD = "hunter2:/@é"
ENCODED = "hunter2%3A%2F%40%C3%A9"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address("localhost")),
        ("redis://10.0.0.3:6380/4", Address("10.0.0.3", 6380, 4)),
        ("redis://[::1]:7000/", Address("::1", 7000)),
        ("rediss://cache.example.com", Address("cache.example.com", tls=True)),
        (f"redis://:{ENCODED}@h", Address("h", password=PASSWORD)),
        (f"redis://an%40n:{ENCODED}@h", Address("h", user="an@n", password=PASSWORD)),
        ("redis://h?prefix=a.b_c-9", Address("h", prefix="a.b_c-9")),
        ("redis://h/1?evicting=allow&prefix=x", Address("h", db=1, prefix="x", evicting=True)),
        ("redis://h?durable=2", Address("h", durable=2)),
        ("redis://h?durable=0", Address("h")),
    ],
)
def test_an_address_is_read(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://", "host"),
        ("redis://:6379", "host"),
        ("redis://a b", "host"),
        ("redis://h:99999", "port"),
        ("redis://h:x", "port"),
        ("redis://h:0", "port 0"),
        ("redis://[::1", "host and port"),
        ("redis://h/x", "number of a database"),
        ("redis://h/-1", "number of a database"),
        ("redis://h/1/2", "number of a database"),
        ("redis://h#x", "%23"),
        ("redis://user@h", "no password"),
        ("redis://h?prefix=", "1 to 64"),
        ("redis://h?prefix=a{b}", "1 to 64"),
        ("redis://h?prefix=a:b", "1 to 64"),
        ("redis://h?prefix=a%0d%0ab", "1 to 64"),
        ("redis://h?prefix=%C3%A9", "1 to 64"),
        ("redis://h?prefix=" + "a" * 65, "1 to 64"),
        ("redis://h?evicting=yes", "evicting=allow"),
        ("redis://h?prefix=a&prefix=b", "each once"),
        ("redis://h?db=3", "prefix, evicting and durable"),
        ("redis://h?durable=", "1 to 9"),
        ("redis://h?durable=replica", "1 to 9"),
        ("redis://h?durable=10", "1 to 9"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match="the Redis address in --store") as caught:
        parse_address(url)
    assert problem in str(caught.value)
    assert "redis://[USER:PASSWORD@]HOST:PORT/DB" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "rest", ["h:99999", "h b", "h/x", "h?prefix=", "h?db=1", "", "h#", "h:6379:1", "[h"]
)
@pytest.mark.parametrize("before", [":hunter2@", "bob:hunter2@", ":hunter2@bob@", "bob:h@hunter2@"])
def test_no_error_tells_the_password(before: str, rest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(f"redis://{before}{rest}")
    assert "hunter2" not in str(caught.value)
    assert "bob" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_address_shows_neither_user_nor_password() -> None:
    address = parse_address("rediss://bob:hunter2@[::1]:7000/3?prefix=p")
    assert str(address) == "rediss://[::1]:7000/3"
    assert "hunter2" not in repr(address)
    assert "bob" not in repr(address)


def test_the_keys_of_a_room_share_a_hash_tag_that_no_other_room_or_prefix_has() -> None:
    keys = [Address("h", prefix="p").room_key(ROOM, name) for name in ("room", "journal")]
    assert keys == [b"{p:room00000001}:room", b"{p:room00000001}:journal"]
    assert Address("h", prefix="p").key("rooms") == b"{p}:rooms"
