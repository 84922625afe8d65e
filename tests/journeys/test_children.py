"""What children of a node are given: nothing of what DreamNet knows, and none of its handles."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from place import Place, place

from postgres import postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

SECRET = "s3cret-of-the-operator"
GIVEN = {
    "DREAMNET_TOKEN": f"dn_tok-1_{SECRET}",
    "DREAMNET_X": SECRET,
    "PGPASSWORD": SECRET,
    "DATABASE_URL": f"postgresql://me:{SECRET}@db/app",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "LD_LIBRARY_PATH": f"/opt/{SECRET}",
}
# What DreamNet tells an instance of itself; nothing of it opens anything.
TOLD = {"DREAMNET_SERVICE", "DREAMNET_SLOT", "DREAMNET_INSTANCE"}
SERVICES = """
[services.plain]
run = "sleep 600"
grace = "1s"
env = {{ set = {{ PLACE = "{folder}", OWN = "mine" }} }}
health = {{ live = {{ command = "{python} -I look.py", timeout = "20s" }}, interval = "1s" }}
"""
LOOK = """
import json, os
handles = {}
for handle in os.listdir("/proc/self/fd"):
    try:
        handles[handle] = os.readlink("/proc/self/fd/" + handle)
    except FileNotFoundError:
        pass  # the one that lists
seen = {"environment": dict(os.environ), "handles": handles, "pid": os.getpid()}
with open("seen.draft", "w") as file:
    json.dump(seen, file)
os.replace("seen.draft", "seen.json")
"""


def test_children_get_none_of_the_nodes_secrets_and_handles(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, store=postgres_url) as here:
        here.write(SERVICES.format(folder=tmp_path, python=sys.executable))
        (tmp_path / "look.py").write_text(LOOK)
        here.data.mkdir(mode=0o755)
        here.data.chmod(0o755)
        up_with_secrets(here, monkeypatch)
        assert stat.S_IMODE(here.data.stat().st_mode) == 0o700
        assert stat.S_IMODE((here.data / "token").stat().st_mode) == 0o600

        node = psutil.Process(here.node_pid())
        assert GIVEN.items() <= node.environ().items(), "else nothing is proven"
        secrets = [SECRET, str(urlsplit(postgres_url).password), token_of(here)]
        children = node.children(recursive=True)
        told = {one.pid: " ".join(one.cmdline()) for one in children}
        assert sum("envoy" in words for words in told.values()) >= 1
        assert sum("dreamnet.room" in words for words in told.values()) == 1
        [plain] = [one.pid for one in children if one.name() == "sleep"]
        for child in children:
            with suppress(psutil.NoSuchProcess):  # a probe has come and gone
                unknowing(child, secrets)
                apart(child, node)
        bare(plain, here)
        looked(here, secrets)


def up_with_secrets(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the node as an operator would whose shell is full of secrets, and of open files."""
    with monkeypatch.context() as shell, (here.folder / "open").open("w") as left_open:
        for name, value in GIVEN.items():
            shell.setenv(name, value)
        os.set_inheritable(left_open.fileno(), True)
        before = os.umask(0)
        try:
            here.dreamnet("up", "--detach", handles=(left_open.fileno(),))
        finally:
            os.umask(before)
    # It cannot say how the services are: the token of the shell opens another node.
    here.until(lambda: here.serves() and (here.folder / "seen.json").exists())


def token_of(here: Place) -> str:
    return (here.data / "token").read_text().strip().rpartition("_")[2]


def unknowing(child: psutil.Process, secrets: list[str]) -> None:
    """Neither the environment nor the command line holds a secret or a setting of DreamNet."""
    environment = Path(f"/proc/{child.pid}/environ").read_bytes()
    command = Path(f"/proc/{child.pid}/cmdline").read_bytes()
    for secret in secrets:
        assert secret.encode() not in environment + command, child
    assert not foreign(child.environ()), child


def foreign(environment: dict[str, str]) -> set[str]:
    """Return the names that a child should not have been given."""
    ours = {name for name in environment if name.startswith("DREAMNET_")} - TOLD
    return ours | (environment.keys() & GIVEN.keys())


def apart(child: psutil.Process, node: psutil.Process) -> None:
    """Hold no file, socket or pipe that the node holds too."""
    shared = set(handles(child.pid).values()) & set(handles(node.pid).values())
    named = {one for one in shared if not one.startswith(("/dev/", "anon_inode:"))}
    assert not {one for one in named if not one.endswith(".log")}, (child, named)


def bare(pid: int, here: Place) -> None:
    """Hold standard input, output and error, and nothing else."""
    held = handles(pid)
    assert held.keys() == {"0", "1", "2"}, held
    assert held["0"] == os.devnull
    log = Path(held["1"])
    assert held["2"] == held["1"]
    assert (log.parent, log.suffix) == (here.data / "logs/plain", ".log"), held
    assert psutil.Process(pid).environ()["OWN"] == "mine"


def looked(here: Place, secrets: list[str]) -> None:
    """The command probe tells of itself the same."""
    seen: dict[str, Any] = json.loads((here.folder / "seen.json").read_text())
    assert not foreign(seen["environment"])
    assert seen["environment"]["OWN"] == "mine"
    assert not [one for one in secrets if one in json.dumps(seen)]
    assert seen["handles"].keys() == {"0", "1", "2"}, seen["handles"]
    assert seen["handles"]["0"] == os.devnull


def handles(pid: int) -> dict[str, str]:
    """Return what each handle of a process leads to."""
    found = {}
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[one.name] = str(one.readlink())
    return found
