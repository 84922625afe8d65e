"""The image: built and run on a real engine, as non-root on a read-only root file system."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest
from engine import Engine, base_image, running_engine, until
from manifests import container as kubernetes_container
from manifests import pod, settings_text

ROOT = Path(__file__).parents[2]
MOST_BYTES_ABOVE_BASE = 300_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# What the kubelet sends with each probe.
HOST = {
    header["name"]: header["value"]
    for header in kubernetes_container()["readinessProbe"]["httpGet"]["httpHeaders"]
}

# As docs/how-to/containers.md says it.
HARDENED = (
    "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges",
)  # fmt: skip

SETTINGS = """\
[node]
data_dir = "/var/lib/dreamnet"

[gateway]
listen = "0.0.0.0:8080"

[heal]
stabilise = "500ms"

[services.shop]
run = "python -m uvicorn shop:app --host 127.0.0.1 --port $PORT --no-access-log"
route = "shop.localhost"
health = { live = "/health/live", ready = "/health/ready", interval = "500ms" }
replicas = 2
env = { set = { SHOP_DATABASE = "/var/lib/dreamnet/shop.db" } }
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Generator[Engine]:
    with running_engine(tmp_path_factory.mktemp("docker")) as engine:
        yield engine


@pytest.fixture(scope="module")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    base = base_image(engine, tmp_path_factory.mktemp("base"))
    engine.build("dreamnet-test", ROOT, "--build-arg", f"BASE={base}")
    above = engine.inspect("dreamnet-test")["Size"] - engine.inspect(base)["Size"]
    sys.stderr.write(f"the image is {above / 1e6:.0f} MB above its base\n")
    assert above < MOST_BYTES_ABOVE_BASE
    return "dreamnet-test"


@pytest.fixture(scope="module")
def shop(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shop")
    for file in (ROOT / "examples/shop").glob("*.py"):
        shutil.copy(file, folder)
    (folder / "dreamnet.toml").write_text(SETTINGS)
    (folder / "Dockerfile").write_text(f"FROM {image}\nCOPY . /app\n")
    engine.build("dreamnet-test-shop", folder)
    return "dreamnet-test-shop"


class Container:
    """One container of the shop, on a volume of its own."""

    def __init__(self, engine: Engine, image: str, name: str) -> None:
        self.engine, self.name = engine, name
        engine.run(
            "run", "--detach", "--name", name, *HARDENED, "--publish", "127.0.0.1::8080",
            "--volume", f"{name}:/var/lib/dreamnet", image,
        )  # fmt: skip

    def inside(self, *command: str) -> str:
        """Run a command in it."""
        return self.engine.run("exec", self.name, *command).stdout

    def json(self, *command: str) -> dict:
        """Run `dreamnet ... --json` in it."""
        return json.loads(self.inside("dreamnet", *command, "--json"))

    def get(self) -> int:
        """Ask the shop through the published port; 0 when nothing answers."""
        ports = self.engine.inspect(self.name)["NetworkSettings"]["Ports"].get("8080/tcp")
        if not ports:  # it does not run
            return 0
        url = f"http://127.0.0.1:{ports[0]['HostPort']}/products"
        request = urllib.request.Request(url, headers={"Host": "shop.localhost"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def health(self) -> str:
        """Return the engine's verdict: starting, healthy or unhealthy."""
        return self.engine.inspect(self.name)["State"]["Health"]["Status"]

    def serves(self) -> bool:
        """Return whether both instances get traffic."""
        status = self.engine.run("exec", self.name, "dreamnet", "status", "--json", check=False)
        if status.returncode != 0:
            return False
        services = json.loads(status.stdout)["services"]
        return services[0]["ready"] == services[0]["desired"] == 2 and self.get() == 200


@pytest.fixture
def running(engine: Engine, shop: str) -> Generator[Container]:
    container = Container(engine, shop, "dreamnet-test-run")
    try:
        until(container.serves, "the shop serves")
        yield container
    finally:
        sys.stderr.write(engine.run("logs", "--tail", "40", container.name, check=False).stderr)
        engine.run("rm", "--force", container.name)
        engine.run("volume", "rm", "--force", container.name)


def test_it_serves_heals_and_is_healthy_without_root_or_a_writable_root(running: Container) -> None:
    assert running.inside("id", "-u").strip() == "10001"
    until(lambda: running.health() == "healthy", "the engine finds it healthy", 90)
    victim = running.json("status")["services"][0]["instances"][0]["pid"]
    running.inside("python3", "-c", f"import os; os.kill({victim}, 9)")

    def resolved() -> bool:
        dreams = running.json("dreams")["dreams"]
        return any(dream["phase"] == "resolved" for dream in dreams) and running.serves()

    until(resolved, "the killed instance is healed")


def test_after_a_kill_of_the_container_the_next_start_finds_its_store(running: Container) -> None:
    before = running.json("ledger", "verify")["rows"]
    running.engine.run("kill", running.name)  # SIGKILL to root, node, gateway and services at once
    assert running.get() == 0
    running.engine.run("start", running.name)
    until(running.serves, "the shop serves again")
    proof = running.json("ledger", "verify")
    assert proof["rows"] > before
    assert proof["broken_at"] is None


def test_stop_drains_and_ends_before_the_engine_has_to_kill(running: Container) -> None:
    running.engine.run("stop", "--time", "30", running.name)
    state = running.engine.inspect(running.name)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_the_health_check_is_bad_when_the_node_hangs(running: Container) -> None:
    pid = running.json("status")["node"]["pid"]
    check = ("exec", running.name, "/usr/local/bin/dreamnet-healthcheck")
    assert running.engine.run(*check, check=False).returncode == 0
    running.inside("python3", "-c", f"import os; os.kill({pid}, 19)")
    done = running.engine.run(*check, check=False)
    assert done.returncode == 1
    assert "no answer" in done.stderr


def test_nothing_that_only_builds_is_in_the_image(engine: Engine, image: str) -> None:
    listed = engine.run("run", "--rm", "--entrypoint", "ls", image, "/opt/dreamnet/bin").stdout
    assert "dreamnet" in listed.split()
    assert not {"pip", "uv", "hatchling"} & set(listed.split())
    config = engine.inspect(image)["Config"]
    assert int(config["User"].split(":")[0]) > 0
    assert "curl" not in str(config["Healthcheck"]["Test"])


def test_without_settings_it_says_what_to_do(engine: Engine, image: str) -> None:
    done = engine.run("run", "--rm", image, check=False)
    assert done.returncode == 2
    assert "dreamnet.toml" in done.stderr + done.stdout


def _as_kubernetes_runs_it(folder: Path, name: str) -> list[str]:
    """Return the options that give a container what the deployment's pod gives it."""
    security = pod()["securityContext"]
    (folder / "dreamnet.toml").write_text(settings_text())
    (folder / "dreamnet.toml").chmod(0o444)
    folder.chmod(0o755)
    return [
        "--name", name, "--user", f"{security['runAsUser']}:{security['runAsGroup']}",
        "--group-add", str(security["fsGroup"]), *HARDENED,
        "--volume", f"{folder}/dreamnet.toml:/app/dreamnet.toml:ro",
    ]  # fmt: skip


def _ask(address: str, path: str) -> int:
    request = urllib.request.Request(f"http://{address}:7300{path}", headers=HOST)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def test_the_pod_of_the_deployment_starts_and_answers_its_probes(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    context, name = tmp_path / "context", "dreamnet-test-pod"
    shutil.copytree(ROOT / "examples/shop", context / "shop")
    (context / "Dockerfile").write_text(f"FROM {image}\nCOPY shop /app/shop\n")
    engine.build("dreamnet-test-pod", context)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    # A volume as the kubelet hands it over: root's, and the group's by fsGroup.
    engine.run("volume", "create", name)
    engine.run("run", "--rm", "--user", "0", "--entrypoint", "sh", "--volume", f"{name}:/data",
               image, "-c", "chown 0:10001 /data && chmod 2775 /data")  # fmt: skip
    options = _as_kubernetes_runs_it(mounted, name)
    engine.run("run", "--detach", *options, "--volume", f"{name}:/var/lib/dreamnet", name)
    try:
        address = engine.inspect(name)["NetworkSettings"]["IPAddress"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = kubernetes_container()[probe]["httpGet"]["path"]
            until(lambda path=path: _ask(address, path) == 200, f"{probe} is answered")
        assert _ask(address, "/api/status") == 401
    finally:
        sys.stderr.write(engine.run("logs", "--tail", "40", name, check=False).stderr)
        engine.run("rm", "--force", name)
        engine.run("volume", "rm", "--force", name)
