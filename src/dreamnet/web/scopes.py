"""What each route needs: the one table; a route that is not in it does not exist."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import compile_path

from dreamnet.model.tokens import Scope
from dreamnet.web.problems import Problem

SCOPES: dict[tuple[str, str], Scope] = {
    ("GET", "/openapi.json"): Scope.READ,
    ("GET", "/metrics"): Scope.READ,
    ("GET", "/api/status"): Scope.READ,
    ("GET", "/api/agents"): Scope.READ,
    ("GET", "/api/services"): Scope.READ,
    ("GET", "/api/services/{name}"): Scope.READ,
    ("GET", "/api/dreams"): Scope.READ,
    ("GET", "/api/dreams/would"): Scope.READ,
    ("GET", "/api/dreams/{dream}"): Scope.READ,
    ("GET", "/api/actions"): Scope.READ,
    ("GET", "/api/actions/{action}"): Scope.READ,
    ("GET", "/api/messages"): Scope.READ,
    ("GET", "/api/messages/{message}"): Scope.READ,
    ("GET", "/api/ledger"): Scope.READ,
    ("GET", "/api/events"): Scope.READ,
    ("GET", "/api/logs/{service}"): Scope.READ,
    ("POST", "/api/agent"): Scope.OPERATE,
    ("POST", "/api/actions/{action}/approve"): Scope.OPERATE,
    ("POST", "/api/actions/{action}/deny"): Scope.OPERATE,
    ("GET", "/api/tokens"): Scope.ADMIN,
    ("POST", "/api/tokens"): Scope.ADMIN,
    ("DELETE", "/api/tokens/{token}"): Scope.ADMIN,
}

Methods = dict[str, Scope]


class Scopes:
    """Finds what a request needs. What the table does not know does not exist: it fails closed."""

    def __init__(self, table: Mapping[tuple[str, str], Scope]) -> None:
        paths: dict[str, Methods] = {}
        for (method, path), scope in table.items():
            paths.setdefault(path, {})[method] = scope
        self._paths = [(compile_path(path)[0], methods) for path, methods in paths.items()]

    def needed(self, method: str, path: str) -> Scope:
        """Return the scope that a request needs; raise 404 or 405 when no route takes it."""
        for form, methods in self._paths:
            if form.match(path) and method in methods:
                return methods[method]
        allowed = [one for form, methods in self._paths if form.match(path) for one in methods]
        if not allowed:
            raise Problem(404, "no-route", "nothing is here", mend="see /openapi.json")
        raise Problem(
            405,
            "http",
            "Method Not Allowed",
            mend="see /openapi.json",
            more_headers={"Allow": ", ".join(sorted(set(allowed)))},
        )
