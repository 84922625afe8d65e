"""A client finds its node from the data directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from client_stub_node import StubNode

from dreamnet.client import Client, NodeAddressError, NodeUnreachable


def write_node(folder: Path, content: str) -> None:
    (folder / "node.json").write_text(content)


def test_url_and_token_are_read(node: StubNode, tmp_path: Path) -> None:
    write_node(tmp_path, json.dumps({"url": node.url + "/", "pid": 1}))
    (tmp_path / "token").write_text("abc\n")
    client = Client.from_data_dir(tmp_path)
    client.get("/api/x")
    assert client.url == node.url
    assert node.seen[0].headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("token", [None, "", "  \n"])
def test_without_token_none_is_sent(node: StubNode, tmp_path: Path, token: str | None) -> None:
    write_node(tmp_path, json.dumps({"url": node.url}))
    if token is not None:
        (tmp_path / "token").write_text(token)
    Client.from_data_dir(str(tmp_path)).get("/api/x")
    assert "Authorization" not in node.seen[0].headers


def test_a_folder_without_node_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NodeUnreachable, match="dreamnet up"):
        Client.from_data_dir(tmp_path / "absent")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"x"', "null"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    write_node(tmp_path, content)
    with pytest.raises(NodeAddressError, match=r"node\.json is damaged"):
        Client.from_data_dir(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "node.json").write_bytes(b"\xff\xfe")
    with pytest.raises(NodeAddressError, match="cannot be read"):
        Client.from_data_dir(tmp_path)


def test_a_forbidden_file_says_who_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")  # a mode of 0 would not stop root

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(NodeAddressError, match="as the user who runs the node"):
        Client.from_data_dir(tmp_path)
