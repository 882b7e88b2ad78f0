"""Opening a redis store: why it is refused, in one sentence that never has a password in it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from server.store.base import StoreCorrupt, StoreTooNew, StoreUnavailable
from server.store.redis import RedisStore
from server.store.redis_address import Address
from server.store.redis_open import _check_version
from tests.server.store.backends import committed, owned, ticks
from tests.server.store.cluster import Cluster
from tests.server.store.proxy import proxied
from tests.server.store.redis_ways import ask, until
from tests.server.store.valkey import Valkey, free_port, running

PASSWORD = "hunter2 & a half"
ALL_OF_OURS = (
    "+eval +evalsha +xadd +xrange +xrevrange +xtrim +hset +hget +hmget +hsetnx +hdel +exists "
    "+del +unlink +rename +time +sadd +srem +smembers +zadd +zrevrange +set +get +ping +select"
)


@pytest.fixture
def address(own: Valkey) -> Address:
    return Address("127.0.0.1", own.port)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Generator[Valkey, None, None]:
    """A server that needs a password, with users who may do less and less."""
    folder = tmp_path_factory.mktemp("locked")
    with running(folder, password=PASSWORD) as server:
        for name, rules in {
            "just": ALL_OF_OURS,
            "chatty": f"{ALL_OF_OURS} +info",
            "reader": "+@read +ping +info",
            "nobody": "-@all",
        }.items():
            server.ask("ACL", "SETUSER", name, "on", f">{PASSWORD}", "~*", *rules.split())
        yield server


async def _why_not(address: Address, kind: type[Exception] = StoreUnavailable) -> str:
    """Open a store that cannot be opened, twice; the one sentence it says."""
    store = RedisStore(address, answer_s=0.5)
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(kind) as caught:
            await store.open()
        said.append(str(caught.value))
        assert "\n" not in said[-1]
        assert 30 < len(said[-1]) < 400
    await store.close()
    return said[-1]


async def _works(address: Address) -> None:
    # Tests that share a server, and the loops they run on, do not meet.
    store = RedisStore(replace(address, prefix=os.urandom(8).hex()), answer_s=2.0)
    await store.open()
    await committed(store, await owned(store), range(1, 4))
    assert await ticks(store) == [1, 2, 3]
    await store.close()


@asynccontextmanager
async def _answering(answer: bytes) -> AsyncGenerator[Address]:
    """A server that is no Redis: it says the same to everything."""
    served: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.Event()
        served.append(ended)
        with suppress(ConnectionError):
            while await reader.read(65536):
                writer.write(answer)
        writer.transport.abort()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    for each in served:
        await each.wait()


async def test_nothing_listens_there() -> None:
    address = Address("127.0.0.1", free_port())
    said = await _why_not(address)
    assert said.startswith(f"no Redis is to be reached at {address} (")
    assert "start it, or correct the address in --store" in said


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"+OK\r\n" * 9]
)
async def test_something_else_listens_there(answer: bytes) -> None:
    async with _answering(answer) as address:
        assert "is no Redis" in await _why_not(address)


async def test_what_listens_there_says_nothing(own: Valkey, address: Address) -> None:
    with own.stopped():
        assert "did not answer within 0.5 s" in await _why_not(address)


@pytest.mark.parametrize(
    ("user", "password"), [(None, None), (None, "hunter3"), ("just", "hunter3"), ("ghost", "x")]
)
async def test_a_wrong_password_is_said_without_saying_it(
    locked: Valkey, user: str | None, password: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = await _why_not(Address("127.0.0.1", locked.port, user=user, password=password))
    assert "refuses this user or password" in said
    for secret in ("hunter3", "ghost"):
        assert secret not in said
        assert secret not in caplog.text


async def test_the_right_password_opens_and_is_nowhere_to_be_seen(
    locked: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await _works(Address("127.0.0.1", locked.port, password=PASSWORD))
    assert PASSWORD not in caplog.text


async def test_a_password_that_none_is_needed_for_is_said(own: Valkey) -> None:
    said = await _why_not(Address("127.0.0.1", own.port, user="ghost", password=PASSWORD))
    assert "refuses this user or password" in said
    assert PASSWORD not in said


@pytest.mark.parametrize("user", ["just", "chatty"])
async def test_a_user_who_may_do_only_what_is_needed_is_enough(locked: Valkey, user: str) -> None:
    """Without CLIENT SETINFO, CONFIG, SCRIPT and, for one, INFO: as managed services have it."""
    await _works(Address("127.0.0.1", locked.port, user=user, password=PASSWORD))


@pytest.mark.parametrize("user", ["reader", "nobody"])
async def test_a_user_who_may_not_is_told_what(locked: Valkey, user: str) -> None:
    said = await _why_not(Address("127.0.0.1", locked.port, user=user, password=PASSWORD))
    assert "does not permit this user what is needed" in said
    assert PASSWORD not in said


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_throws_keys_away_is_refused_unless_allowed(
    own: Valkey, address: Address, policy: str
) -> None:
    await ask(own, "CONFIG", "SET", "maxmemory-policy", policy)
    said = await _why_not(address)
    assert f"(maxmemory-policy {policy})" in said
    assert "?evicting=allow" in said
    await _works(replace(address, evicting=True))
    await ask(own, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    store = RedisStore(address)
    await store.open()
    await store.close()


async def test_a_replica_is_refused(own: Valkey, address: Address) -> None:
    await ask(own, "REPLICAOF", "127.0.0.1", "1")
    assert "is a replica" in await _why_not(address)


async def test_a_database_it_does_not_have_is_refused(address: Address) -> None:
    await _works(replace(address, db=15))
    assert "has no database of this number" in await _why_not(replace(address, db=16))


@pytest.mark.parametrize(
    ("version", "refused"),
    [("6.0.16", True), ("5.0.7", True), ("6.2.0", False), ("7.2.4", False), ("10.0", False)],
)
def test_an_old_redis_is_refused(version: str, refused: bool) -> None:
    address = Address("h")
    if refused:
        with pytest.raises(StoreUnavailable, match=rf"is Redis {version}.* 6\.2 or newer"):
            _check_version(address, {"redis_version": version})
    else:
        _check_version(address, {"redis_version": version})


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_cluster_of_one_node_will_do_once_it_keeps_every_slot(tmp_path: Path) -> None:
    with running(tmp_path / "cluster", "--cluster-enabled", "yes") as server:
        address = Address("127.0.0.1", server.port)
        assert "is not ready yet" in await _why_not(address)
        await ask(server, "CLUSTER", "ADDSLOTS", *range(16384))
        await until(lambda: _is_up(server))
        await _works(address)


async def test_every_node_of_a_cluster_is_looked_at(cluster: Cluster) -> None:
    address = Address("127.0.0.1", cluster.port)
    await _works(address)
    last = cluster.nodes[-1]
    await ask(last, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        said = await _why_not(address)
    finally:
        await ask(last, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert f":{last.port}/0 throws keys away" in said


async def _is_up(server: Valkey) -> bool:
    return b"cluster_state:ok" in str(await ask(server, "CLUSTER", "INFO")).encode()


async def test_a_prefix_of_somebody_elses_or_of_a_newer_holdfast_is_left_alone(
    own: Valkey, address: Address
) -> None:
    for value, kind, said in (
        ("hello", StoreCorrupt, "is not Holdfast's"),
        ("0", StoreCorrupt, "is not Holdfast's"),
        ("2", StoreTooNew, "newer Holdfast"),
    ):
        await ask(own, "SET", address.key("format"), value)
        assert said in await _why_not(address, kind)
        assert await ask(own, "GET", address.key("format")) == value.encode()
    await ask(own, "DEL", address.key("format"))
    await ask(own, "LPUSH", address.key("format"), "x")
    assert "something foreign" in await _why_not(address, StoreCorrupt)


@pytest.fixture
async def tls_port(own: Valkey, tmp_path: Path) -> AsyncIterator[int]:
    """A port that speaks TLS before the server, with a certificate made just now."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=elsewhere", "-keyout", str(key)]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with proxied(own.port, context) as proxy:
        yield proxy.port


async def test_tls_with_an_authority_that_is_trusted(
    tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    await _works(Address("127.0.0.1", tls_port, tls=True))
    said = await _why_not(Address("localhost", tls_port, tls=True))
    assert "has no TLS to be trusted" in said


async def test_tls_with_an_authority_unknown_or_none_at_all(own: Valkey, tls_port: int) -> None:
    said = await _why_not(Address("127.0.0.1", tls_port, tls=True))
    assert "SSL_CERT_FILE" in said
    assert "speaks no TLS" in await _why_not(Address("127.0.0.1", own.port, tls=True))
    assert "ended the connection" in await _why_not(Address("127.0.0.1", tls_port))
