"""Settings: where each comes from, what each accepts, and what it says to anything else."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import (
    SETTINGS,
    WORKERS_MAX,
    Config,
    cores,
    flag_of,
    parse,
    parse_or_exit,
    variable_of,
)
from server.settings import Inherited
from shared.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SECRET = "correct horse battery staple, twice"

# A value other than the default for each setting, and what it reads as.
OTHER: dict[str, tuple[str, object]] = {
    "open": (
        "coins?bots=2&private=false,arena?level=hard",
        (("coins", {"bots": "2", "private": "false"}), ("arena", {"level": "hard"})),
    ),
    "port": ("9000", 9000),
    "host": ("::1", "::1"),
    "store": ("sqlite:/tmp/x.db?synchronous=full", "sqlite:/tmp/x.db?synchronous=full"),
    "games": ("coins, my.games:Tag,./a.py", ("coins", "my.games:Tag", "./a.py")),
    "secret": (SECRET, SECRET),
    "dev": ("yes", True),
    "origins": ("https://A.example, http://b:81", ("https://a.example", "http://b:81")),
    "forwarded_position": ("-2", -2),
    "tick_rate_max": ("30", 30),
    "message_bytes_max": ("4096", 4096),
    "connections_max": ("10", 10),
    "connections_per_address_max": ("5", 5),
    "connection_lifetime_s": ("0", 0.0),
    "poll_wait_s": ("0.5", 0.5),
    "rooms_max": ("7", 7),
    "room_budget": ("0.5", 0.5),
    "sleeping_rooms_max": ("0", 0),
    "asleep_keep_s": ("0.5", 0.5),
    "closed_keep_s": ("60", 60.0),
    "results_keep_s": ("86400", 86400.0),
    "quarantined_keep_s": ("31622400", 31622400.0),
    "digest_ticks": ("0", 0),
    "drain_s": ("2.5", 2.5),
    "watchdog_s": ("0", 0.0),
    "workers": ("1", 1),
    "slow_worker": ("no", False),
    "log_format": ("JSON", "json"),
    "log_level": ("debug", "debug"),
    "worker": ("5,6,8,9,7", Inherited(5, 6, 8, 9, 7)),
}


def changed(name: str, value: object) -> Config:
    """The defaults, but for one setting."""
    values: dict[str, Any] = {name: value}
    return dataclasses.replace(Config(), **values)


# (setting, text, a part of what would be right)
WRONG = [
    ("port", "65536", "from 0 to 65535"),
    ("port", "-1", "from 0 to 65535"),
    ("port", "8080.0", "whole number"),
    ("port", "80 ", "whole number"),
    ("port", "٨٠٨٠", "whole number"),
    ("port", "9" * 5000, "whole number"),
    ("host", "a b", "0.0.0.0"),
    ("store", "redis:localhost", "redis://HOST:PORT/DB"),
    ("store", "redis://a b", "redis://HOST:PORT/DB"),
    ("store", "sqlite:", "sqlite:PATH"),
    ("store", "sqlite:x.db?synchronous=off", "sqlite:PATH"),
    ("games", "Coins", "a file (./mygame.py)"),
    ("games", "coins,../x", "a file (./mygame.py)"),
    ("games", "a.b:C.d", "mypkg.mygame:MyGame"),
    ("games", " , ", "at least one"),
    ("games", "coins,coins", "once"),
    ("open", ",,", "GAME?OPTION=VALUE"),
    ("secret", "short", "at least 32"),
    ("dev", "perhaps", "yes or no"),
    ("origins", "https://a.example/", "such as https://play.example.com"),
    ("origins", "https://a.example:443", "no origin"),
    ("origins", "https://user@a.example", "no origin"),
    ("origins", "a.example", "no origin"),
    ("origins", "null", "no origin"),
    ("origins", "https://a:99999", "no origin"),
    ("origins", "ws://a.example", "no origin"),
    ("origins", ",", "at least one"),
    ("forwarded_position", "0", "from -16 to -1"),
    ("tick_rate_max", "129", "from 1 to 128"),
    ("message_bytes_max", "10", "from 1024"),
    ("connections_max", "0", "from 1"),
    ("digest_ticks", "-1", "from 0"),
    ("drain_s", "nan", "number of seconds"),
    ("sleeping_rooms_max", "-1", "from 0 to 1000000"),
    ("asleep_keep_s", "inf", "number of seconds"),
    ("asleep_keep_s", "31622401", "from 0 to"),
    ("closed_keep_s", "59.9", "from 60 to"),
    ("results_keep_s", "0", "from 60 to"),
    ("quarantined_keep_s", "a month", "number of seconds"),
    ("watchdog_s", "inf", "number of seconds"),
    ("watchdog_s", "-1", "from 0 to 3600"),
    ("poll_wait_s", "21", "from 0.1 to 20"),
    ("poll_wait_s", "0", "from 0.1 to 20"),
    ("connection_lifetime_s", "-1", "from 0 to 86400"),
    ("drain_s", "-1", "number of seconds"),
    ("drain_s", "1e3", "number of seconds"),
    ("drain_s", "3601", "from 0 to 3600"),
    ("log_format", "xml", "text or json"),
    ("log_level", "trace", "debug or info"),
    ("worker", "5", "only the supervisor"),
    ("worker", "5,6", "LISTENER,LIFELINE,PAGE,STACKS,NUMBER"),
    ("workers", "0", "from 1 to 64"),
    ("workers", "65", "from 1 to 64"),
]


def test_every_setting_is_tried_here() -> None:
    assert set(OTHER) == set(SETTINGS) == {one.name for one in dataclasses.fields(Config)}


def test_without_anything_the_defaults() -> None:
    assert parse([], {}) == Config()


@pytest.mark.parametrize("name", SETTINGS)
def test_each_flag_sets_its_own_setting(name: str) -> None:
    text, value = OTHER[name]
    if name not in {"dev", "slow_worker"}:
        assert parse([flag_of(name), text], {}) == changed(name, value)
    assert parse([f"{flag_of(name)}={text}"], {}) == changed(name, value)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "worker"])
def test_each_flag_has_a_twin_in_the_environment(name: str) -> None:
    text, value = OTHER[name]
    expected = changed(name, value)
    assert parse([], {variable_of(name): text}) == expected
    assert (
        parse([f"{flag_of(name)}={text}"], {variable_of(name): "wrong, but not asked"}) == expected
    )


def test_no_variable_makes_a_worker() -> None:
    assert parse([], {"HOLDFAST_WORKER": "5,6"}).worker is None


def test_port_comes_from_the_flag_then_its_twin_then_the_platform() -> None:
    assert parse([], {"PORT": "1"}).port == 1
    assert parse([], {"PORT": "1", "HOLDFAST_PORT": "2"}).port == 2
    assert parse(["--port", "3"], {"PORT": "1", "HOLDFAST_PORT": "2"}).port == 3


def test_a_service_link_of_kubernetes_is_no_port() -> None:
    link = {"HOLDFAST_PORT": "tcp://10.0.0.1:8080"}
    assert parse([], link).port == Config().port
    assert parse([], link | {"PORT": "9000"}).port == 9000


def test_an_empty_variable_is_unset_but_an_empty_flag_is_wrong() -> None:
    assert parse([], {"HOLDFAST_SECRET": "", "PORT": ""}) == Config()
    with pytest.raises(ConfigError, match="--secret"):
        parse(["--secret", ""], {})


def test_a_switch_may_stand_alone() -> None:
    assert parse(["--dev"], {}).dev
    assert parse(["--dev", "--port", "0"], {}).dev
    assert not parse(["--dev=no"], {"HOLDFAST_DEV": "1"}).dev


@pytest.mark.parametrize(("name", "text", "remedy"), WRONG)
def test_a_wrong_value_names_its_source_and_the_remedy(name: str, text: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as flag:
        parse([f"{flag_of(name)}={text}"], {})
    assert str(flag.value).startswith(flag_of(name))
    assert remedy in str(flag.value)
    if name != "worker":
        with pytest.raises(ConfigError) as variable:
            parse([], {variable_of(name): text})
        assert str(variable.value).startswith(variable_of(name))


def test_more_workers_than_the_store_can_serve() -> None:
    with pytest.raises(ConfigError, match=r"--workers 2: .*sqlite.*--workers 1"):
        parse(["--workers", "2"], {})
    with pytest.raises(ConfigError, match=r"--workers 2: .*memory"):
        parse(["--workers", "2", "--store", "memory:"], {})


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_with_a_shared_store_there_is_a_worker_for_each_core(scheme: str) -> None:
    store = ["--store", f"{scheme}://localhost/0"]
    assert parse(store, {}).workers == min(cores(), WORKERS_MAX)
    assert parse([*store, "--workers", "3"], {}).workers == 3
    assert parse(store, {"HOLDFAST_WORKERS": "1"}).workers == 1
    assert parse(["--store", "memory:"], {}).workers == 1


def test_an_unknown_flag_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean --port"):
        parse(["--prot", "1"], {})
    with pytest.raises(ConfigError, match="--help"):
        parse(["coins"], {})
    with pytest.raises(ConfigError, match="not known"):
        parse(["--por", "1"], {})
    with pytest.raises(ConfigError, match="--port: no value follows"):
        parse(["--port"], {})
    with pytest.raises(ConfigError, match="--port: no value follows"):
        parse(["--port", "--dev"], {})


def test_a_secret_is_never_shown() -> None:
    assert SECRET not in repr(parse(["--secret", SECRET], {}))
    with pytest.raises(ConfigError) as error:
        parse([], {"HOLDFAST_SECRET": "hunter2"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["redis:/bob:hunter2@h", "reddis://bob:hunter2@h", "bob:hunter2@h", "redis://bob:hunter2@h h"],
)
def test_the_password_of_a_store_is_never_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"HOLDFAST_STORE .*\*\*\*@h") as error:
        parse([], {"HOLDFAST_STORE": url})
    assert "hunter2" not in str(error.value)
    assert "bob" not in str(error.value)


def test_a_redis_address_is_read_and_not_printed() -> None:
    url = "rediss://bob:hunter2@cache.example.com:6380/2?prefix=x"
    config = parse(["--store", url], {})
    assert config.store == url
    assert "hunter2" not in repr(config)


def test_a_wrong_setting_is_one_line_and_exit_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_or_exit(["--port", "a\nb\x1b[31m"], {})
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("holdfast: --port 'a\\nb\\x1b[31m': give")


def test_help_explains_every_setting_with_variable_and_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wide enough that nothing is broken at a hyphen.
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as end:
        parse(["--help"], {})
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, one in SETTINGS.items():
        assert (f"{flag_of(name)} " in text) is not one.hidden
        variable = re.search(rf"\[{variable_of(name)}(;| or )", text)
        assert (variable is None) is one.hidden
        assert one.hidden or text.count(" ".join(one.explanation.split())) == 1
    assert "HOLDFAST_PORT or PORT; default: 8080" in text
    assert text.count("default: ") == len(SETTINGS) - 1


@given(st.sampled_from(sorted(SETTINGS)), st.text(max_size=40))
def test_any_text_is_read_or_refused_in_one_line(name: str, text: str) -> None:
    problem = None
    try:
        config = parse([f"{flag_of(name)}={text}"], {})
    except ConfigError as error:
        problem = str(error)
    else:
        assert config == changed(name, getattr(config, name))
    if problem is not None:
        assert len(problem.splitlines()) == 1
        assert len(problem) < 400


def test_the_version_is_the_one_that_is_packed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["--version"], {})
    assert end.value.code == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out.startswith(f"holdfast {project['version']}, Python 3.")
