"""The key that signs session tokens, where none is configured: by where the rooms are kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from server.config import parse
from server.worker import signing_secret
from shared.errors import ConfigError

SECRET = "correct horse battery staple, twice"
REDIS = "redis://bob:hunter2@127.0.0.1/0"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("store", ["memory:", "sqlite:var/a.db", REDIS])
def test_a_configured_secret_counts_everywhere(store: str) -> None:
    config = parse(["--store", store, "--secret", SECRET], {})
    assert signing_secret(config) == SECRET.encode()


def test_in_memory_nothing_outlives_the_process_so_neither_does_the_key() -> None:
    config = parse(["--store", "memory:"], {})
    assert signing_secret(config) != signing_secret(config)


@pytest.mark.parametrize(
    ("flags", "file"),
    [
        (["--store", "sqlite:var/a.db?synchronous=full"], "var/a.db.secret"),
        (["--store", REDIS, "--dev"], "var/redis.secret"),
    ],
)
def test_a_key_is_made_once_and_kept_for_its_owner_alone(
    tmp_path: Path, flags: list[str], file: str
) -> None:
    made = signing_secret(parse(flags, {}))
    assert len(made) == 32
    assert signing_secret(parse(flags, {})) == made == (tmp_path / file).read_bytes()
    assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_redis_needs_a_secret_of_all_processes(tmp_path: Path, scheme: str) -> None:
    url = REDIS.replace("redis", scheme, 1)
    with pytest.raises(ConfigError, match="HOLDFAST_SECRET") as caught:
        signing_secret(parse(["--store", url], {}))
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
