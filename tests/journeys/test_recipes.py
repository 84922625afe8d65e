"""Every how-to of a kind of service works as it is written: served, killed, healed, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from place import Place
from recipes import Recipe, recipes

# Page: the program it needs, and Debian's package with it.
PROGRAMS = {"node": ("node", "nodejs"), "binary": ("busybox", "busybox-static")}


def _prepare(recipe: Recipe, folder: Path) -> None:
    folder.mkdir()
    # The environment a reader would make: ours has the same packages.
    (folder / ".venv").symlink_to(sys.prefix)
    if recipe.page == "django":
        subprocess.run(
            [sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=folder, check=True
        )
        settings = folder / "mysite/settings.py"
        text = settings.read_text()
        settings.write_text(text.replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['.localhost']"))
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=folder, check=True
        )
    recipe.write(folder)


def _with_path(recipe: Recipe) -> str:
    return recipe.settings.replace(
        f"[services.{recipe.service}]\n",
        f'[services.{recipe.service}]\npath = "{recipe.service}"\n',
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for recipe in recipes():
        program, package = PROGRAMS.get(recipe.page, ("", ""))
        if program and shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install {package}")
        _prepare(recipe, tmp_path / recipe.service)
    place = Place(tmp_path)
    place.write(change=lambda text: text.partition("[services.shop]")[0])
    with (tmp_path / "dreamnet.toml").open("a") as file:
        file.writelines(f"\n{_with_path(recipe)}" for recipe in recipes())
    return place


@pytest.mark.timeout(240)
def test_every_kind_of_service_is_served_healed_and_stopped(place: Place) -> None:
    names = [recipe.service for recipe in recipes()]
    done = place.dreamnet("up", "--detach")
    assert done.returncode == 0, done.stderr
    try:
        place.until(lambda: all(_ready(place, name) for name in names))
        for name in names:
            victim = _instances(place, name)[0]["pid"]
            os.kill(victim, signal.SIGKILL)
            assert place.get("/", f"{name}.localhost") == 200, name
        place.until(lambda: all(_ready(place, name) for name in names))
        pids = [one["pid"] for name in names for one in _instances(place, name)]
    finally:
        down = place.dreamnet("down")
    assert down.returncode == 0, down.stderr
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def _instances(place: Place, name: str) -> list[dict]:
    services = place.json("status")["services"]
    return next(service["instances"] for service in services if service["name"] == name)


def _ready(place: Place, name: str) -> bool:
    running = [one for one in _instances(place, name) if one["in_traffic"]]
    return [one["ready"] for one in running] == ["well", "well"]
