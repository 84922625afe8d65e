"""What every source of secret variables promises, on each driver."""

import os
from pathlib import Path

import pytest

from dreamnet.drivers.secrets.base import SecretSource
from dreamnet.drivers.secrets.dotenv import DotenvSource
from dreamnet.kernel.errors import ConfigError, DreamNetError
from dreamnet.model.services import SOURCE_KINDS, split_source

VALUES = {"PLAIN": "1", "SPACED": "a b", "HASH": "a#b", "DOLLAR": "$HOME ${PLAIN} $$", "UTF": "ü"}


class DotenvWorld:
    """A `.env` file that a test can change."""

    kind = "dotenv"

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".env"

    def source(self) -> SecretSource:
        return DotenvSource(self.path)

    def put(self, values: dict[str, str]) -> None:
        lines = [f"{name}='{value}'\n" for name, value in values.items()]
        self.path.write_text("".join(lines), "utf-8")

    def lose(self) -> None:
        self.path.unlink(missing_ok=True)


WORLDS = [DotenvWorld]


@pytest.fixture(params=WORLDS, ids=lambda world: world.kind)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> DotenvWorld:
    return request.param(tmp_path)


async def test_what_is_there_is_read_literally(world: DotenvWorld) -> None:
    world.put(VALUES)
    assert await world.source().read() == VALUES


async def test_reading_again_says_what_is_there_now(world: DotenvWorld) -> None:
    source = world.source()
    world.put({"A": "1"})
    first = await source.read()
    first["B"] = "changed by the caller"
    world.put({"A": "2"})
    assert await source.read() == {"A": "2"}


async def test_nothing_is_an_empty_answer(world: DotenvWorld) -> None:
    world.put({})
    assert await world.source().read() == {}


async def test_a_lost_place_is_a_clear_error_and_may_come_back(world: DotenvWorld) -> None:
    world.lose()
    source = world.source()
    with pytest.raises(DreamNetError, match=r"(?s)no such.*mend: "):
        await source.read()
    world.put({"A": "1"})
    assert await source.read() == {"A": "1"}


async def test_neither_names_nor_values_enter_the_own_environment(
    world: DotenvWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIN", "mine")
    world.put({"PLAIN": "theirs", "DREAMNET_TEST_ONLY": "x"})
    assert (await world.source().read())["PLAIN"] == "theirs"
    assert os.environ["PLAIN"] == "mine"
    assert "DREAMNET_TEST_ONLY" not in os.environ


def test_every_driver_has_a_kind_that_the_settings_accept() -> None:
    assert {world.kind for world in WORLDS} == set(SOURCE_KINDS)
    assert {split_source(example)[0] for example in SOURCE_KINDS.values()} == set(SOURCE_KINDS)


async def refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        await DotenvSource(path).read()
    return caught.value


async def test_dotenv_forms(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(
        b"\xef\xbb\xbfA=1\r\n# note\n\nexport B=2 # why\nC=\nNAME_ONLY\n"
        b'D="x\ny"\nE="a\\nb $A ${A}"\nF=a=b#c\n'
    )
    assert await DotenvSource(file).read() == {
        "A": "1",
        "B": "2",
        "C": "",
        "D": "x\ny",
        "E": "a\nb $A ${A}",
        "F": "a=b#c",
    }


async def test_a_broken_dotenv_line_is_named_without_its_value(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('A=1\nB="hunter2\nC=3\n')
    error = await refusal(file)
    assert error.complaints[0].where == f"{file}:2"
    assert error.complaints[0].mend
    assert "hunter2" not in str(error)


async def test_a_dotenv_that_is_no_text_or_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in str(await refusal(tmp_path))
    (tmp_path / ".env").write_bytes(b"hunter2=\xff")
    assert "UTF-8" in str(await refusal(tmp_path / ".env"))
    assert "hunter2" not in str(await refusal(tmp_path / ".env"))
