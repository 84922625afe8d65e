"""The OpenAPI is kept: whatever is sent, nothing is answered with a server error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks

from tests.unit.web.web_stage import web_stage

EXAMPLES = 15
# A stream has no end to wait for; tests/unit/web reads them.
STREAMS = r"^/api/(events|logs)"


class _Node(threading.Thread):
    """A node in a loop of its own, for a test that does not know of loops."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="node")
        self._folder = folder
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self.url = ""
        self.bearer: dict[str, str] = {}

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with web_stage(self._folder) as stage:
            stage.handles.health.started()
            stage.parts_answer()
            await stage.start_instances()
            self.url, self.bearer = stage.url, stage.bearer
            self._up.set()
            await self._over.wait()

    def begin(self) -> None:
        self.start()
        assert self._up.wait(20)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(20)
        assert not self.is_alive()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Node]:
    serving = _Node(tmp_path_factory.mktemp("api"))
    serving.begin()
    yield serving
    serving.end()


CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def test_every_operation_keeps_its_contract(node: _Node, subtests: pytest.Subtests) -> None:
    schema = schemathesis.openapi.from_url(f"{node.url}/openapi.json", headers=node.bearer).exclude(
        path_regex=STREAMS
    )
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        for mode in _modes(operation):
            with subtests.test(f"{operation.label} {mode}"):
                _explore(operation, mode, node.bearer)


def _modes(operation: schemathesis.APIOperation) -> list[schemathesis.GenerationMode]:
    """Send what the schema allows and, where something can be wrong, what it does not."""
    takes = [*operation.query, *operation.headers, *operation.body]
    modes = list(schemathesis.GenerationMode)
    return modes if takes else [schemathesis.GenerationMode.POSITIVE]


def _explore(
    operation: schemathesis.APIOperation, mode: schemathesis.GenerationMode, headers: dict[str, str]
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def keeps(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, headers=headers)

    keeps()
