"""Gives each test its own stub node and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from client_stub_node import StubNode, stub_node

from dreamnet.client import Client


@pytest.fixture
def node() -> Iterator[StubNode]:
    with stub_node() as running:
        yield running


@pytest.fixture
def client(node: StubNode) -> Client:
    return Client(node.url, token="secret-token", timeout=5)
