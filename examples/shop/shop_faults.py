"""Switches that make the shop misbehave, for demonstrations and tests only."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CRASH_CODE = 3


def crash_if_asked(environment: Mapping[str, str]) -> None:
    """Exit at once if the file that SHOP_CRASH_FILE names exists."""
    marker = environment.get("SHOP_CRASH_FILE", "")
    if marker and Path(marker).exists():
        sys.stderr.write(f"shop: cannot start: the file {marker} exists (SHOP_CRASH_FILE)\n")
        sys.stderr.flush()
        raise SystemExit(CRASH_CODE)


class ErrorSwitch:
    """`POST /faults/errors {"on": true}` makes every other route of this process answer 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.is_on = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn the switch, fail, or pass the request on."""
        app = self.app
        if scope["type"] == "http":
            if scope["path"] == "/faults/errors":
                app = await self._turn(Request(scope, receive))
            elif self.is_on:
                app = JSONResponse({"status": 500, "detail": "asked to fail"}, 500)
        await app(scope, receive, send)

    async def _turn(self, request: Request) -> ASGIApp:
        if request.method != "POST":
            return JSONResponse({"on": self.is_on})
        try:
            wanted = json.loads(await request.body())["on"]
        except (ValueError, KeyError, TypeError):
            wanted = None
        if not isinstance(wanted, bool):
            return JSONResponse({"status": 422, "detail": 'expected {"on": true}'}, 422)
        self.is_on = wanted
        return JSONResponse({"on": wanted})
