"""Running shops for the tests of the example service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from shop_process import Shop


@pytest.fixture
async def shops(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start shops on one database; all are gone at the end."""
    async with AsyncExitStack() as stack:

        async def start(**variables: str) -> Shop:
            return await stack.enter_async_context(Shop(tmp_path / "shop.db", variables))

        yield start
