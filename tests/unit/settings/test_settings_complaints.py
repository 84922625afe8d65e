"""Every wrong file is refused with file, line and mend, all complaints at once."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.kernel.errors import ConfigError
from dreamnet.model.complaints import toml_value
from dreamnet.model.settings import load_settings

OK = '[services.shop]\nrun = "sh -c true"\n'  # two lines
PYDANTIC = re.compile(r"[Ii]nput should|[Vv]alue error|Extra inputs|Field required|pydantic|_type")

# name, text, line, part of what, part of mend
BAD: list[tuple[str, str, int, str, str]] = [
    ("syntax", "[services.shop]\nrun = sh\n", 2, "not TOML", "quotes"),
    ("unclosed text", 'run = "a\n', 1, "not TOML", "quotes"),
    ("key twice", OK + 'run = "x"\n', 3, "not TOML", "twice"),
    ("table twice", OK + "[services.shop]\n", 3, "not TOML", "twice"),
    ("empty file", "", 1, "no service", "dreamnet init"),
    ("no services", "[services]\n", 1, "no service", "[services.shop]"),
    ("unknown table", "[gatway]\n" + OK, 1, '"gatway" at the top', 'mean "gateway"'),
    ("service not services", OK + '[service.b]\nrun = "sh"\n', 3, "unknown key", 'mean "services"'),
    ("key at the top", 'run = "sh"\n' + OK, 1, '"run" at the top', "accepted here: node"),
    ("unknown key", OK + "helth = 1\n", 3, "[services.shop]", 'mean "health"'),
    ("unknown, nothing near", OK + "zzz = 1\n", 3, '"zzz"', "accepted here: path, run"),
    ("unknown deep key", OK + '\n[services.shop.health]\nlve = "/x"\n', 5, '"lve"', 'mean "live"'),
    ("not built: source", OK + 'source = "x"\n', 3, 'key "source"', "accepted here"),
    ("not built: build", OK + 'build = "make"\n', 3, 'key "build"', "accepted here"),
    ("not built: scale", OK + "scale = { target = 8 }\n", 3, 'key "scale"', "accepted here"),
    ("not built: deploy", OK + "deploy = {}\n", 3, 'key "deploy"', "accepted here"),
    ("not built: bus", '[node]\nbus = "nats://x"\n' + OK, 2, 'key "bus"', "accepted here"),
    ("not built: schema", OK + 'env.schema = "e"\n', 3, 'key "schema"', "set, from, required"),
    ("run missing", '\n[services.shop]\nroute = "x"\n', 2, '"run" is missing', "add: run ="),
    ("run number", "[services.shop]\nrun = 5\n", 2, "text in quotes", 'run = "'),
    ("run empty", '[services.shop]\nrun = " "\n', 2, "at least one word", 'run = "'),
    ("run list", '[services.shop]\nrun = ["sh"]\n', 2, "not a list", 'run = "'),
    ("run quote", '[services.shop]\nrun = "sh \'x"\n', 2, "quote", "close it"),
    ("run shell", '[services.shop]\nrun = "sh x | sh"\n', 2, '"|"', "sh -c"),
    ("run not on PATH", '[services.shop]\nrun = "no-such-1 x"\n', 2, '"no-such-1"', ".venv/bin/"),
    ("run no file", '[services.shop]\nrun = "./none"\n', 2, "does not exist", "install"),
    ("run not executable", '[services.shop]\nrun = "./plain"\n', 2, "not executable", "chmod +x"),
    ("run folder", '[services.shop]\nrun = "./sub"\n', 2, "is a folder", "path"),
    ("run beside", '[services.shop]\nrun = "serve"\n', 2, "not on PATH", "write ./serve"),
    ("probe command", OK + 'health.live.command = "none-1"\n', 3, '"none-1"', "install"),
    ("path missing", OK + 'path = "nowhere"\n', 3, "does not exist", "dreamnet.toml"),
    ("path a file", OK + 'path = "plain"\n', 3, "is not a folder", "folder"),
    ("service no table", "[services]\nshop = 5\n", 2, "a table, not the number 5", "shop"),
    ("services no table", "services = 5\n", 1, "a table, not the number 5", "[services.shop]"),
    ("section no table", "node = 5\n" + OK, 1, "a table, not the number 5", "[node]"),
    ("bad name", '[services.Shop_1]\nrun = "sh"\n', 1, "a service name", "[services.shop]"),
    ("own name", '[services.gateway]\nrun = "sh"\n', 1, "own name", "[services.shop]"),
    ("route number", OK + "route = 5\n", 3, "text in quotes or a table", '"shop.localhost"'),
    ("route scheme", OK + 'route = "http://a"\n', 3, "a host is like", '"shop.localhost"'),
    ("route path", OK + '[services.shop.route]\npath = "x"\n', 4, 'starts with "/"', 'path = "/"'),
    ("route key", OK + 'route = { hots = "x" }\n', 3, '"hots"', 'mean "host"'),
    (
        "one route",
        OK + 'route = "a"\n[services.b]\nrun = "sh"\nroute = "a/"\n',
        6,
        "(line 3)",
        "b.",
    ),
    ("health text", OK + 'health = "/x"\n', 3, "a table, not", "health = {"),
    ("health path", OK + 'health = { live = "x" }\n', 3, 'starts with "/"', 'live = "/health'),
    ("health two", OK + 'health.live = {http="/", tcp=true}\n', 3, "http and tcp", "live ="),
    ("health none", OK + 'health.live = {interval="1s"}\n', 3, "has none", "live ="),
    ("tcp false", OK + "health.live = { tcp = false }\n", 3, "tcp is true", "tcp = true"),
    ("interval bare", OK + "health.interval = 5\n", 3, "number 5", 'interval = "5s"'),
    ("interval zero", OK + 'health.interval = "0s"\n', 3, 'at least "50ms"', 'interval = "1s"'),
    ("failures zero", OK + "health.failures = 0\n", 3, "1 to 100, not the number 0", "= 2"),
    ("failures text", OK + 'health.failures = "2"\n', 3, "a whole number", "failures = 2"),
    ("jitter", OK + 'health.live = {http="/", jitter=1.0}\n', 3, "0 to 0.5", "jitter = 0.1"),
    ("jitter nan", OK + 'health.live = {http="/", jitter=nan}\n', 3, "number", "jitter = 0.1"),
    ("replicas text", OK + 'replicas = "2"\n', 3, "a whole number or a table", "replicas = 2"),
    ("replicas true", OK + "replicas = true\n", 3, "not true", "replicas = 2"),
    ("replicas many", OK + "replicas = 100\n", 3, "0 to 64", "replicas"),
    ("max below min", OK + "replicas = { min = 3, max = 2 }\n", 3, "max (2)", "replicas = 2"),
    ("grace", OK + 'grace = "10 seconds"\n', 3, "a duration", 'grace = "10s"'),
    ("unready", OK + 'on_all_unready = "Keep"\n', 3, '"keep", "hold", "fail"', 'mean "keep"'),
    ("env text", OK + 'env = "X=hunter2"\n', 3, "a table", "env ="),
    ("env float", OK + "env.set = { A = 1.5 }\n", 3, "text in quotes", "set ="),
    ("env name", OK + 'env.set = { "A-B" = "x" }\n', 3, "name of a variable", "set ="),
    ("env PORT", OK + "env.set = { PORT = 1 }\n", 3, "PORT is set", "set ="),
    ("env NUL", OK + 'env.set = { A = "\\u0000" }\n', 3, "NUL", "set ="),
    ("env from text", OK + 'env.from = "dotenv:.env"\n', 3, "a list", "from = ["),
    ("env kind", OK + 'env.from = [\n"vault:x"]\n', 4, 'kind "vault"', '"dotenv:.env"'),
    ("env no kind", OK + 'env.from = ["hunter2"]\n', 3, "kind is missing", '"dotenv:.env"'),
    ("env no place", OK + 'env.from = ["dotenv:"]\n', 3, "name of the file", '"dotenv:.env"'),
    ("env no file", OK + 'env.from = ["dotenv:.env"]\n', 3, "does not exist", "create it"),
    ("env required", OK + 'env.required = ["9A"]\n', 3, "name of a variable", "DATABASE_URL"),
    ("logs", OK + "logs.max_bytes = 1\n", 3, "at least 10000", "max_bytes = 10000000"),
    ("date", OK + "health = 2020-01-01\n", 3, "not a date", "health ="),
    ("date deep", OK + "env.from = [2020-01-01]\n", 3, "not a date", "from ="),
    ("port", '[gateway]\nlisten = "127.0.0.1:99999"\n' + OK, 2, "1 to 65535", "127.0.0.1:8080"),
    ("no port", '[gateway]\nlisten = "127.0.0.1"\n' + OK, 2, "host:port", "127.0.0.1:8080"),
    ("bare port", "[gateway]\nlisten = 8080\n" + OK, 2, "host:port", "127.0.0.1:8080"),
    ("host name", '[gateway]\nlisten = "a.b:80"\n' + OK, 2, "IP address", "127.0.0.1:8080"),
    ("open API", '[node]\nlisten = "0.0.0.0:7300"\n' + OK, 2, "plain HTTP", "127.0.0.1:7300"),
    ("one port", '[gateway]\nlisten = "127.0.0.1:7300"\n' + OK, 2, "both listen", "7301"),
    ("one port, node", '[node]\nlisten = "127.0.0.1:8080"\n' + OK, 2, "both listen", "8081"),
    ("store", '[node]\nstore = "sqlite:///x"\n' + OK, 2, "postgresql://", "store ="),
    ("log level", '[node]\nlog_level = "warn"\n' + OK, 2, '"warning"', 'mean "warning"'),
    ("data_dir empty", '[node]\ndata_dir = ""\n' + OK, 2, "one character", '".dreamnet"'),
    ("data_dir file", '[node]\ndata_dir = "plain"\n' + OK, 2, "not a folder", ".dreamnet"),
    ("hold", '[gateway]\nhold = "-1s"\n' + OK, 2, "a duration", 'hold = "10s"'),
    ("tries", "[heal]\ntries = 0\n" + OK, 2, "1 to 100", "tries = 3"),
    ("tries float", "[heal]\ntries = 2.0\n" + OK, 2, "a whole number", "tries = 3"),
    ("backoff", '[heal]\nbackoff = "1h"\n' + OK, 2, "shorter than backoff", "backoff_cap ="),
    ("backoff endless", '[heal]\nbackoff = "99999999999999d"\n' + OK, 2, "at most", '"1m"'),
    ("office", "[reef.offices.healer]\ncapacity = 1\n" + OK, 1, '"healer"', 'mean "heal"'),
    ("office key", "[reef.offices.heal]\ncapcity = 1\n" + OK, 2, '"capcity"', 'mean "capacity"'),
    ("office mode", '[reef.offices.heal]\nmode = "Auto"\n' + OK, 2, '"suggest"', 'mean "auto"'),
    ("renamed", '[reef.offices.heal]\nmode = "approve"\n' + OK, 2, '"observe"', '"suggest" now'),
    ("office size", "[reef.offices.heal]\ncapacity = -1\n" + OK, 2, "at least 0", "capacity ="),
    ("office table", "[reef.offices]\nheal = 3\n" + OK, 2, "a table", "offices"),
    ("reef key", "[reef]\noffice = {}\n" + OK, 2, '"office"', 'mean "offices"'),
    ("retention", '[retention]\nledger = "1s"\n' + OK, 2, 'at least "1m"', 'ledger = "90d"'),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "plain").write_text("text")
    (tmp_path / "serve").write_text("#!/bin/sh\n")
    (tmp_path / "serve").chmod(0o755)
    return tmp_path


def refusal(text: str) -> ConfigError:
    Path("dreamnet.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(Path("dreamnet.toml"))
    return caught.value


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "line", "what", "mend"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_wrong_file_is_refused_with_line_and_mend(
    text: str, line: int, what: str, mend: str
) -> None:
    error = refusal(text)
    (complaint,) = error.complaints
    assert complaint.where == f"dreamnet.toml:{line}"
    assert what in complaint.what
    assert mend in complaint.mend
    assert not PYDANTIC.search(str(error))
    assert "hunter2" not in str(error)


@pytest.mark.usefixtures("folder")
def test_everything_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    error = refusal(
        '[node]\nlisten = "0.0.0.0:1"\n[services.a]\nrnu = "x"\n[services.b]\nrun = "no-such-1"\n'
        'env = { from = ["vault:x"], set = { PORT = 1 } }\n[services.c]\nrun = "no-such-2"\n'
    )
    lines = [int(one.where.rpartition(":")[2]) for one in error.complaints]
    assert lines == [2, 3, 4, 7, 9]


KEYS = st.sampled_from(
    ["run", "route", "health", "live", "ready", "env", "set", "from", "replicas", "min", "http"]
)
MORE_KEYS = st.sampled_from(
    ["offices", "heal", "mode", "interval", "listen", "store", "host", "path", "capacity"]
)
VALUES = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text("ab/:$'\" 1s.", max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
HEADERS = st.sampled_from(
    ["node", "gateway", "heal", "reef", "retention", "services.shop", "services", "other"]
)


@given(st.dictionaries(HEADERS, st.dictionaries(KEYS | MORE_KEYS, VALUES, max_size=4), max_size=4))
def test_no_content_makes_anything_but_settings_or_complaints(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, dict[str, object]]
) -> None:
    lines: list[str] = []
    for header, table in content.items():
        lines.append(f"[{header}]")
        lines += [f"{toml_value(key)} = {toml_value(value)}" for key, value in table.items()]
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text("\n".join(lines))
    error = refused(file)
    if error is not None:
        assert error.complaints
        assert all(re.search(r":[1-9][0-9]*$", one.where) for one in error.complaints)
        assert not PYDANTIC.search(str(error))


def refused(file: Path) -> ConfigError | None:
    try:
        load_settings(file)
    except ConfigError as error:
        return error
    return None
