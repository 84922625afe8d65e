"""Ports and programs of the machine."""

import socket
from pathlib import Path

import pytest

from dreamnet.kernel.ports import free_port, is_free
from dreamnet.kernel.programs import find_program
from dreamnet.model.address import parse_address
from dreamnet.model.settings import load_settings


def test_a_listened_port_is_not_free_and_then_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)


def test_a_shared_listener_still_counts_as_taken() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not is_free("127.0.0.1", server.getsockname()[1])


def test_a_free_port_is_free() -> None:
    assert is_free("127.0.0.1", free_port())


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="assign"):
        is_free("192.0.2.1", 8080)


def test_programs_are_found_as_the_platform_will(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "serve"
    program.write_text("#!/bin/sh\n")
    assert find_program("bin/serve", tmp_path, "") is None
    program.chmod(0o755)
    assert find_program("bin/serve", tmp_path, "") == program
    assert find_program(str(program), Path("/"), "") == program
    assert find_program("serve", tmp_path, "/nowhere:bin") == program
    assert find_program("serve", tmp_path, "/nowhere") is None
    assert find_program("bin", tmp_path, ".") is None


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:80", "0.0.0.0:80", True),
        ("localhost:80", "127.0.0.1:80", True),
        ("localhost:80", "[::1]:80", True),
        ("127.0.0.1:80", "[::1]:80", False),
    ],
)
def test_addresses_that_collide(one: str, other: str, collide: bool) -> None:
    assert parse_address(one).collides_with(parse_address(other)) is collide
    assert parse_address(other).collides_with(parse_address(one)) is collide


@pytest.mark.parametrize("text", ["", "8080", "host:", ":8080", "host:0", "host:99999", "host:x"])
def test_a_wrong_address_says_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|1 to 65535"):
        parse_address(text)


def test_an_address_may_be_ipv6() -> None:
    assert str(parse_address("[::1]:8080")) == "[::1]:8080"


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("0.0.0.0:80", "127.0.0.1:80"),
        ("[::]:80", "[::1]:80"),
        ("10.0.0.7:80", "10.0.0.7:80"),
    ],
)
def test_what_listens_everywhere_is_reached_from_here(listens: str, reached: str) -> None:
    assert str(parse_address(listens).from_here) == reached


def test_others_may_reach_the_api_where_the_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "dreamnet.toml"
    file.write_text(
        '[node]\nlisten = "0.0.0.0:7300"\nallow_remote = true\n[services.a]\nrun = "true"\n'
    )
    assert load_settings(file).node.listen.from_here.is_loopback
