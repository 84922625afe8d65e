"""Every trouble that the doctor knows, really made, and told with where and a mend."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamnet.app.doctor.finding import Finding, Level
from dreamnet.app.doctor.look.machine import look_at_program
from dreamnet.app.doctor.machine import judge_program
from dreamnet.app.doctor.visit import visit
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.ports import free_port
from dreamnet.kernel.processes import Identity
from tests.contracts.storing import NOW
from tests.postgres import PostgresServer, postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

SETTINGS = """\
[node]
listen = "127.0.0.1:{api}"
[gateway]
listen = "127.0.0.1:{gateway}"
[services.shop]
run = "{python} -m http.server $PORT"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which nothing is wrong."""
    settings = SETTINGS.format(api=free_port(), gateway=free_port(), python=sys.executable)
    (tmp_path / "dreamnet.toml").write_text(settings)
    data = tmp_path / ".dreamnet"
    data.mkdir(mode=0o700)

    async def fill() -> None:
        store = SqlStore(data / "dreamnet.db")
        await store.open()
        await store.tx(lambda tx: [tx.ledger.append("k", "s", {"n": n}, NOW) for n in range(300)])
        await store.close()

    asyncio.run(fill())
    return tmp_path


def change(site: Path, old: str, new: str) -> None:
    file = site / "dreamnet.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def findings(site: Path) -> list[Finding]:
    return list(visit(site / "dreamnet.toml"))


def troubles(site: Path) -> dict[str, Finding]:
    found = {one.name: one for one in findings(site) if one.level is not Level.OK}
    assert all(one.mend for one in found.values()), "every trouble has a mend"
    return found


def the_only_trouble(site: Path) -> Finding:
    [one] = troubles(site).values()
    return one


@pytest.fixture
def processes() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def record(file: Path, pid: int, **more: Any) -> None:
    """Write who has a part, as its driver would."""
    file.parent.mkdir(exist_ok=True)
    who = Identity.of(pid)
    assert who is not None
    file.write_text(json.dumps({**vars(who), **more}))


def test_where_nothing_is_wrong_nothing_is_found(site: Path) -> None:
    before = {one: one.read_bytes() for one in site.rglob("*") if one.is_file()}
    assert troubles(site) == {}
    assert {one: one.read_bytes() for one in site.rglob("*") if one.is_file()} == before


# -- the machine


def test_too_few_file_handles(site: Path) -> None:
    doctor = 'ulimit -n 130 && exec "$0" -m dreamnet doctor --json'
    done = subprocess.run(
        ["sh", "-c", doctor, sys.executable], cwd=site, capture_output=True, check=False
    )
    [found] = [one for one in json.loads(done.stdout)["findings"] if one["level"] != "ok"]
    assert (done.returncode, found["name"], found["level"]) == (1, "file-handles", "fail")
    assert "130 open files" in found["seen"]
    assert "ulimit -n" in found["mend"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\x7fELF but no program", "cannot be run"), (b"#!/bin/sh\nexit 3\n", "ended with 3")],
)
def test_a_gateway_program_that_does_not_run(tmp_path: Path, content: bytes, said: str) -> None:
    program = tmp_path / "envoy"
    program.write_bytes(content)
    program.chmod(0o755)
    found = judge_program(look_at_program(str(program)))
    assert found.level is Level.FAIL
    assert said in found.seen
    program.unlink()
    assert judge_program(look_at_program(str(program))).level is Level.FAIL


# -- the data directory


def test_a_directory_open_to_others(site: Path) -> None:
    (site / ".dreamnet").chmod(0o755)
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("data-dir", Level.WARN)
    assert found.mend == f"chmod 700 {site / '.dreamnet'}"


@pytest.mark.parametrize("name", ["api-token", "token.json", "backups/b.zip", "dreamnet.db"])
def test_a_private_file_that_others_may_read(site: Path, name: str) -> None:
    file = site / ".dreamnet" / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    file.chmod(0o640)
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("private-file", Level.FAIL)
    assert found.mend == f"chmod 600 {file}"


@pytest.fixture
def open_site(site: Path) -> Iterator[Path]:
    """The site where every user may look; only root can become another user to try it."""
    if os.geteuid() != 0:
        pytest.skip("platform: another user can be tried by root only")
    with tempfile.TemporaryDirectory(prefix="dreamnet-doctor-") as folder:
        Path(folder).chmod(0o755)
        copy = Path(shutil.copytree(site, Path(folder) / "site"))
        copy.chmod(0o755)
        change(copy, f"{sys.executable} -m http.server $PORT", "sleep 60")
        yield copy


def as_nobody(site: Path) -> dict[str, Finding]:
    """Visit as a user who owns nothing here."""
    findings(site)  # what Python still has to load may be closed to that user
    os.seteuid(65534)
    try:
        return troubles(site)
    finally:
        os.seteuid(0)


def test_a_directory_of_another_user(open_site: Path) -> None:
    (open_site / ".dreamnet").chmod(0o755)
    found = as_nobody(open_site)["data-dir"]
    assert found.level is Level.FAIL
    assert "cannot be written" in found.seen
    (open_site / ".dreamnet").chmod(0o777)
    assert "belongs to user 0" in as_nobody(open_site)["data-dir"].seen


def test_a_clock_that_stands_before_what_was_written(site: Path) -> None:
    later = time.time() + 3600
    os.utime(site / ".dreamnet" / "dreamnet.db", (later, later))
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("clock", Level.WARN)
    assert "behind" in found.seen


@pytest.mark.parametrize(
    ("size", "name"), [("size=20m", "disk"), ("size=900m,nr_inodes=400", "inodes")]
)
def test_a_disk_that_is_nearly_full(site: Path, size: str, name: str) -> None:
    data = site / ".dreamnet"
    mount = ["mount", "-t", "tmpfs", "-o", f"{size},mode=700", "tmpfs", str(data)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("platform: a small file system cannot be mounted here")
    try:
        found = the_only_trouble(site)
    finally:
        subprocess.run(["umount", data], check=True)
    assert (found.name, found.level) == (name, Level.FAIL)


# -- the settings


def test_wrong_settings_are_told_with_their_line(site: Path) -> None:
    change(site, "[gateway]", "[gateway]\nlissten = 1")
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("settings", Level.FAIL)
    assert found.where.endswith("dreamnet.toml:4")


def test_a_service_without_folder_program_and_source(site: Path) -> None:
    change(site, sys.executable, "no-such-program")
    more = '[services.cart]\npath = "nowhere"\nrun = "true"\n[services.mail]\nrun = "true"\n'
    change(site, "[services.shop]", f'{more}env = {{ from = ["dotenv:.env"] }}\n[services.shop]')
    seen = [one.seen for one in findings(site) if one.level is Level.FAIL]
    assert len(seen) == 3
    assert any("no-such-program" in one for one in seen)
    assert any("nowhere" in one for one in seen)
    assert any(".env" in one for one in seen)


def test_a_variable_that_is_required_and_not_there(site: Path) -> None:
    (site / ".env").write_text("EMPTY=\nSECRET=hunter22\n")
    env = 'env = { from = ["dotenv:.env"], required = ["DATABASE_URL", "EMPTY", "SECRET"] }'
    change(site, "[services.shop]", f"[services.shop]\n{env}")
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("environment", Level.FAIL)
    assert found.seen == "missing: DATABASE_URL; blank: EMPTY"
    assert found.where == "services.shop"


# -- the ports


def test_a_taken_port_names_who_has_it(
    site: Path, processes: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = (site / "dreamnet.toml").read_text()
        listen = text.split('[gateway]\nlisten = "')[1].split('"')[0]
        change(site, listen, f"127.0.0.1:{taken.getsockname()[1]}")
        found = the_only_trouble(site)
    assert (found.name, found.level) == ("gateway-port", Level.FAIL)
    assert f"(pid {os.getpid()})" in found.seen


def test_an_address_of_another_machine(site: Path) -> None:
    listen = (site / "dreamnet.toml").read_text().split('[gateway]\nlisten = "')[1].split('"')[0]
    change(site, listen, "192.0.2.1:8080")
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("gateway-port", Level.FAIL)
    assert "cannot be used" in found.seen


# -- the store


def test_a_damaged_store_names_the_newest_backup(site: Path) -> None:
    database = site / ".dreamnet" / "dreamnet.db"
    backups = site / ".dreamnet" / "backups"
    backups.mkdir()
    for number, name in enumerate(("old.zip", "new.zip")):
        os.close(os.open(backups / name, os.O_CREAT, 0o600))
        os.utime(backups / name, (number + 1, number + 1))
    with database.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(os.urandom(4096 * 10))
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("store", Level.FAIL)
    assert "damaged" in found.seen
    assert f"dreamnet restore {backups / 'new.zip'} --force" in found.mend
    database.write_bytes(b"no database at all, but long enough to look like one " * 100)
    assert "damaged" in the_only_trouble(site).seen


@pytest.mark.parametrize(
    ("statement", "name", "said"),
    [
        ("UPDATE ledger SET subject = 'other' WHERE seq = 7", "ledger", "broken at row 7"),
        ("UPDATE dreamnet_schema SET version_num = '9999'", "store", "is newer"),
        ("DROP TABLE dreamnet_schema", "store", "none of ours"),
    ],
)
def test_a_store_that_is_not_as_we_left_it(
    site: Path, statement: str, name: str, said: str
) -> None:
    connection = sqlite3.connect(site / ".dreamnet" / "dreamnet.db")
    connection.execute(statement)
    connection.commit()
    connection.close()
    found = the_only_trouble(site)
    assert (found.name, found.level) == (name, Level.FAIL)
    assert said in found.seen


def test_a_database_that_is_away_or_open_to_readers(
    site: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    change(site, "[node]", f'[node]\nstore = "{postgres_url}"')
    found = troubles(site)
    assert "others may read a secret" in found.pop("settings").seen
    assert "none of ours" in found.pop("store").seen
    assert found == {}
    (site / "dreamnet.toml").chmod(0o600)
    change(site, f":{postgres_server.port}/", f":{free_port()}/")
    found = troubles(site)
    assert found["store"].level is Level.FAIL
    assert postgres_server.password not in found["store"].seen


# -- what runs


def test_the_remains_of_a_dead_node(
    site: Path, processes: Callable[..., subprocess.Popen[bytes]]
) -> None:
    left = processes("sleep", "60")
    record(site / ".dreamnet" / "gateway" / "envoy.pid.json", left.pid)
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("node", Level.FAIL)
    assert f"gateway (pid {left.pid})" in found.seen


def test_a_record_of_a_dead_node_and_of_an_earlier_boot(site: Path) -> None:
    node = site / ".dreamnet" / "node.json"
    os.close(os.open(node, os.O_CREAT, 0o600))
    record(node, os.getppid())
    who = json.loads(node.read_text())
    node.write_text(json.dumps(who | {"start_ticks": 1}))
    assert "it died" in the_only_trouble(site).seen
    node.write_text(json.dumps(who | {"boot_id": "another boot"}))
    found = the_only_trouble(site)
    assert (found.name, found.level) == ("node", Level.WARN)
    assert "started anew" in found.seen


def test_a_node_that_does_not_answer_and_that_nobody_watches(
    site: Path, processes: Callable[..., subprocess.Popen[bytes]]
) -> None:
    hung = processes("sleep", "60")
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connects, and says nothing
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        node = site / ".dreamnet" / "node.json"
        os.close(os.open(node, os.O_CREAT, 0o600))
        record(node, hung.pid, url=url, version="0.0.1")
        found = troubles(site)
    assert found["node"].level is Level.FAIL
    assert f"kill -9 {hung.pid}" in found["node"].mend
    assert "nobody starts the node again" in found["root"].seen
    assert "the node is 0.0.1" in found["version"].seen
    assert found["gateway"].level is Level.FAIL


def test_a_halt_is_told_with_its_reason(site: Path) -> None:
    (site / ".dreamnet" / "halt").write_text('{"reason": "we move the database"}')
    found = the_only_trouble(site)
    assert (found.name, found.level, found.mend) == ("halt", Level.WARN, "dreamnet resume")
    assert "we move the database" in found.seen


def test_a_heartbeat_open_to_readers(site: Path) -> None:
    change(site, "[node]", '[node]\nheartbeat = "https://beats.example/s-33"')
    site.joinpath("dreamnet.toml").chmod(0o644)
    assert "others may read a secret" in troubles(site)["settings"].seen
