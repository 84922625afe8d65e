"""A right file becomes settings: defaults, short forms, paths."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from dreamnet.kernel.errors import ConfigError
from dreamnet.model.actions import Office
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy
from dreamnet.model.services import Probe, ProbeKind, Replicas, Route, ServiceName, ServiceSpec
from dreamnet.model.settings import Settings, load_settings

SHOP = ServiceName("shop")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Settings:
    Path("dreamnet.toml").write_text(text)
    return load_settings(Path("dreamnet.toml"))


def shop(lines: str) -> ServiceSpec:
    return load(f'[services.shop]\nrun = "sh -c true"\n{lines}\n').services[SHOP]


def test_the_smallest_file_gets_every_default(tmp_path: Path) -> None:
    settings = load('[services.shop]\nrun = "sh -c true"\n')
    assert settings.file == tmp_path / "dreamnet.toml"
    assert settings.data_dir == tmp_path / ".dreamnet"
    assert str(settings.node.listen) == "127.0.0.1:7300"
    assert str(settings.gateway.listen) == "127.0.0.1:8080"
    assert settings.gateway.hold == timedelta(seconds=10)
    assert settings.heal.backoff_cap == timedelta(minutes=10)
    assert settings.retention.ledger == timedelta(days=90)
    assert settings.reef == ReefPolicy()
    service = settings.services[SHOP]
    assert service == ServiceSpec(name=SHOP, folder=str(tmp_path), run="sh -c true")


def test_the_default_offices() -> None:
    many = {office: policy.capacity for office, policy in ReefPolicy().offices.items()}
    assert many == {"heal": 16, "deploy": 8, "scale": 4, "gateway": 2}
    assert {policy.mode for policy in ReefPolicy().offices.values()} == {OfficeMode.AUTO}


def test_an_office_keeps_what_is_not_written() -> None:
    settings = load(
        '[services.shop]\nrun = "sh -c true"\n[reef.offices]\n'
        'heal = { mode = "suggest" }\nscale = { capacity = 0 }\n'
    )
    assert settings.reef is not None
    heal = OfficePolicy(capacity=16, mode=OfficeMode.SUGGEST)
    assert settings.reef.office(Office.HEAL) == heal
    assert settings.reef.office(Office.SCALE) == OfficePolicy(capacity=0)
    assert settings.reef.office(Office.DEPLOY) == OfficePolicy(capacity=8)


def test_an_office_that_is_not_named_has_no_policy() -> None:
    assert ReefPolicy(offices={}).office(Office.HEAL) is None
    assert Settings(file=Path("x"), reef=None).reef is None


@pytest.mark.parametrize(
    ("written", "route"),
    [
        ('"shop.localhost"', Route(host="shop.localhost")),
        ('"shop.localhost/api/v1"', Route(host="shop.localhost", path="/api/v1")),
        ('"/api"', Route(path="/api")),
        ('{ path = "/x", timeout = "5s" }', Route(path="/x", timeout=timedelta(seconds=5))),
    ],
)
def test_routes(written: str, route: Route) -> None:
    assert shop(f"route = {written}").route == route


def test_without_a_route_it_is_not_routed() -> None:
    assert shop("").route is None


@pytest.mark.parametrize(
    ("written", "replicas"),
    [
        ("3", Replicas(min=3)),
        ("0", Replicas(min=0)),
        ("{ min = 2, max = 6 }", Replicas(min=2, max=6)),
    ],
)
def test_replicas(written: str, replicas: Replicas) -> None:
    assert shop(f"replicas = {written}").replicas == replicas


def test_health_paths_are_http_with_the_common_times() -> None:
    health = shop(
        'health = { live = "/l", ready = { http = "/r", interval = "5s", successes = 2 }, '
        'timeout = "2s", failures = 4, start_period = "9s" }'
    ).health
    common = {"timeout": timedelta(seconds=2), "failures": 4}
    assert health.live == Probe(kind=ProbeKind.HTTP, path="/l", **common)
    five = timedelta(seconds=5)
    ready = Probe(kind=ProbeKind.HTTP, path="/r", interval=five, successes=2, **common)
    assert health.ready == ready
    assert health.start_period == timedelta(seconds=9)


def test_without_health_both_are_tcp() -> None:
    health = shop("").health
    assert health.live == Probe(kind=ProbeKind.TCP)
    assert health.ready == Probe(kind=ProbeKind.TCP, failures=1)


def test_ready_alone_leaves_live_at_tcp() -> None:
    health = shop('health = { ready = "/r" }').health
    assert (health.live.kind, health.ready.kind) == (ProbeKind.TCP, ProbeKind.HTTP)


def test_live_alone_is_asked_for_ready_too() -> None:
    health = shop('health = { live = { grpc = "shop.v1", jitter = 0.0 } }').health
    assert health.live == Probe(kind=ProbeKind.GRPC, service="shop.v1", jitter=0)
    assert health.ready == health.live.model_copy(update={"failures": 1})


def test_other_ways_to_ask() -> None:
    health = shop('health = { live = { tcp = true }, ready = { command = "true -x" } }').health
    assert health.live == Probe(kind=ProbeKind.TCP)
    assert health.ready == Probe(kind=ProbeKind.COMMAND, command="true -x", failures=1)
    assert shop('health = { live = { grpc = "" } }').health.live.kind is ProbeKind.GRPC


def test_plain_variables_become_text() -> None:
    Path(".env").write_text("SECRET=1\n")
    env = shop('env = { set = { A = "x", B = 3, C = true }, from = ["dotenv:.env"] }').env
    assert env.set == {"A": "x", "B": "3", "C": "true"}
    assert env.sources == ["dotenv:.env"]


def test_a_folder_starts_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app").mkdir()
    Path("dreamnet.toml").write_text('[services.shop]\nrun = "sh -c true"\npath = "app"\n')
    monkeypatch.chdir("/")
    settings = load_settings(tmp_path / "dreamnet.toml")
    assert settings.services[SHOP].folder == str(tmp_path / "app")


def test_a_program_with_a_variable_is_not_looked_up() -> None:
    assert shop('env = { set = { HOME_BIN = "/x" } }').run == "sh -c true"
    assert load('[services.shop]\nrun = "$VENV/bin/python"\n').services[SHOP].run


def test_settings_of_path_count_for_the_program(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "serve-it").write_text("#!/bin/sh\n")
    (tmp_path / "tools" / "serve-it").chmod(0o755)
    text = '[services.shop]\nrun = "serve-it"\nenv = { set = { PATH = "%s" } }\n'
    assert load(text % (tmp_path / "tools")).services[SHOP].run == "serve-it"


def test_the_password_of_the_store_is_shown_nowhere() -> None:
    url = "postgresql://user:hunter2@127.0.0.1/dreamnet"
    settings = load(f'[node]\nstore = "{url}"\n[services.shop]\nrun = "sh -c true"\n')
    assert settings.node.store.get_secret_value() == url
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    "line",
    [
        'store = "mysql://user:hunter2@host/x"',
        'store = "postgresql://user:p@hunter2:x/y@host/x"',
        'store = ["hunter2"]',
        'store = "postgresql://user:hunter2@host"',
    ],
)
def test_the_password_of_a_wrong_store_is_not_repeated(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f'[node]\n{line}\n[services.shop]\nrun = "sh -c true"\n')
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.complaints[0].where == "dreamnet.toml:2"


def test_settings_survive_a_round_trip_as_json() -> None:
    settings = load('[services.shop]\nrun = "sh -c true"\nroute = "a/b"\n')
    kept = json.loads(settings.services[SHOP].model_dump_json(by_alias=True))
    assert ServiceSpec.model_validate(kept) == settings.services[SHOP]
