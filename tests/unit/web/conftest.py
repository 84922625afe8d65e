"""The stage of every test of the HTTP face."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from web_stage import Stage, web_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with web_stage(tmp_path) as made:
        yield made
