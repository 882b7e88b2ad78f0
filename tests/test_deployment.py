"""What is deployed holds together: app.yaml, Dockerfile and locks agree with the tree."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.config import SETTINGS, Config, parse, variable_of

ROOT = Path(__file__).resolve().parent.parent
# App Engine takes an instance away 25 s after its notice.
NOTICE_S = 25


@pytest.fixture(scope="module")
def app() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "app.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def copied(dockerfile: list[str]) -> list[str]:
    copies = [line.split()[1:-1] for line in dockerfile if line.startswith("COPY ")]
    return [source.rstrip("/") for sources in copies for source in sources]


def test_app_yaml_asks_for_a_custom_flexible_runtime_without_affinity(app: dict[str, Any]) -> None:
    assert (app["runtime"], app["env"]) == ("custom", "flex")
    assert app["network"]["session_affinity"] is False


def test_app_yaml_stays_within_the_ranges_of_the_platform(app: dict[str, Any]) -> None:
    cpu, memory_gb = app["resources"]["cpu"], app["resources"]["memory_gb"]
    assert cpu == 1
    assert cpu * 1.0 - 0.4 <= memory_gb <= cpu * 6.5 - 0.4
    for check in ("liveness_check", "readiness_check"):
        assert app[check]["path"] == f"/{check}"
        assert 1 <= app[check]["timeout_sec"] < app[check]["check_interval_sec"] <= 300
        assert 1 <= app[check]["failure_threshold"] <= 10
        assert 1 <= app[check]["success_threshold"] <= 10


def test_the_variables_of_app_yaml_are_settings_and_no_secret(app: dict[str, Any]) -> None:
    environ: dict[str, Any] = app["env_variables"]
    assert all(isinstance(text, str) for text in environ.values())
    assert set(environ) <= {variable_of(name) for name in SETTINGS} - {"HOLDFAST_SECRET"}
    config = parse([], environ)
    assert config != Config()
    assert config.drain_s < NOTICE_S


def test_instances_that_share_no_store_are_one(app: dict[str, Any]) -> None:
    if parse([], app["env_variables"]).store.startswith(("sqlite:", "memory:")):
        assert app["manual_scaling"]["instances"] == 1


def test_the_image_is_made_of_what_the_tree_has(dockerfile: list[str]) -> None:
    sources = copied(dockerfile)
    assert {"requirements.lock", "server", "shared", "client", "games"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_nothing_that_the_image_copies_is_ignored(dockerfile: list[str]) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    admitted = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    assert set(copied(dockerfile)) <= admitted
    lines = (ROOT / ".gcloudignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
    for needed in (*copied(dockerfile), "Dockerfile", "app.yaml", ".dockerignore"):
        assert not any(fnmatch.fnmatch(needed, pattern) for pattern in ignored), needed


def test_the_image_runs_as_nobody_and_is_told_to_stop_directly(dockerfile: list[str]) -> None:
    assert "USER nobody" in dockerfile
    # Without a shell in between, process 1 is the supervisor and gets SIGTERM.
    assert dockerfile[-1] == 'CMD ["python", "-m", "server"]'
    assert any("--require-hashes" in line and "--only-binary=:all:" in line for line in dockerfile)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_has_a_hash_for_everything_and_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z])", text.strip())
    assert len(entries) > 5
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ]+", entry)
        assert "--hash=sha256:" in entry
    assert "://" not in text
    assert "-index" not in text


def test_the_development_lock_contains_the_one_of_the_image() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"(?m)^[a-z0-9._-]+==[^ ]+", (ROOT / lock).read_text("utf-8")))

    assert pins("requirements.lock") < pins("requirements-dev.lock")


def test_the_browser_tools_are_locked_without_registry_addresses() -> None:
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in text
    assert "resolved" not in text
    assert "://registry" not in text
