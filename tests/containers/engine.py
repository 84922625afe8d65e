"""A real Docker Engine for tests: the machine's own, or Debian's started on a throwaway folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_START_LIMIT_S = 60.0
_BUILD_LIMIT_S = 900.0
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Engine:
    """Speaks to one engine through its command line."""

    host: str = ""

    def run(
        self, *arguments: str, limit: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker ...`; AssertionError with its words when it fails."""
        host = ["--host", self.host] if self.host else []
        done = subprocess.run(
            [_client(), *host, *arguments],
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr[-3000:]
        return done

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what the engine knows of a container or image."""
        return json.loads(self.run("inspect", name).stdout)[0]

    def build(self, tag: str, folder: Path, *options: str) -> None:
        """Build an image; the network is the machine's, so that its proxies and names count."""
        self.run(
            "build", "--quiet", "--network", "host", *options, "--tag", tag, str(folder),
            limit=_BUILD_LIMIT_S,
        )  # fmt: skip


def _client() -> str:
    # Debian's own beside another one further ahead on the PATH: client and engine fit each other.
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


def until(holds: Callable[[], object], what: str, limit_s: float = 60.0) -> None:
    """Wait until `holds`, at most `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(0.2)


@contextmanager
def running_engine(folder: Path) -> Generator[Engine]:
    """Yield the engine that answers, or one of our own in `folder`; skip where neither can be."""
    if shutil.which(_client()) is None:
        pytest.skip("Docker is missing: apt-get install docker.io")
    own = Engine()
    if own.run("info", check=False).returncode == 0:
        yield own
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("no Docker Engine answers, and only root with dockerd can start one")
    yield from _started(folder)


def _started(folder: Path) -> Generator[Engine]:
    engine = Engine(f"unix://{folder}/docker.sock")
    command = [
        "dockerd", "--storage-driver=overlay2", "--data-root", str(folder / "data"),
        "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid"), "-H", engine.host,
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as daemon:
        try:
            until(lambda: engine.run("info", check=False).returncode == 0, "dockerd answers")
            yield engine
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(_START_LIMIT_S)
            # It leaves a mount behind, over which the folder could not be removed.
            subprocess.run(["umount", str(folder / "exec/netns/default")], check=False)


def base_image(engine: Engine, folder: Path) -> str:
    """Return an image with Python to build on: the one asked for, or Debian without a registry."""
    if asked := os.environ.get("DREAMNET_TEST_BASE_IMAGE", ""):
        return asked
    if shutil.which("mmdebstrap") is None:
        pytest.skip("set DREAMNET_TEST_BASE_IMAGE, or: apt-get install mmdebstrap")
    tar = folder / "debian.tar"
    mirror, suite = _mirror()
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase",
         "--include=python3,python3-venv,ca-certificates", suite, str(tar), mirror],
        check=True, timeout=_BUILD_LIMIT_S,
    )  # fmt: skip
    engine.run("import", str(tar), "dreamnet-test-debian", limit=_BUILD_LIMIT_S)
    tar.unlink()
    context = folder / "base"
    context.mkdir()
    # A machine behind its own certificate authority reaches the package index only with it.
    shutil.copy(_CERTIFICATES, context / "ca.crt")
    (context / "Dockerfile").write_text(
        f"FROM dreamnet-test-debian\nCOPY ca.crt {_CERTIFICATES}\nENV PIP_CERT={_CERTIFICATES}\n"
    )
    engine.build("dreamnet-test-base", context)
    return "dreamnet-test-base"


def _mirror() -> tuple[str, str]:
    """Return the Debian mirror and suite that apt uses on this machine."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    for line in targets.stdout.splitlines():
        mirror, _, suite = line.partition(" ")
        if suite and "-" not in suite:
            return mirror, suite
    pytest.skip("apt names no Debian mirror: set DREAMNET_TEST_BASE_IMAGE")
