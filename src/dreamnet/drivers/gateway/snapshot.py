"""A route table as the files Envoy watches: pure, whole, hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dreamnet.drivers.gateway.clusters import cluster
from dreamnet.drivers.gateway.endpoints import load_assignment
from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.listeners import ROUTES, STATISTICS, listener
from dreamnet.drivers.gateway.resources import Resource
from dreamnet.drivers.gateway.virtual_hosts import route_configuration
from dreamnet.model.routes import Backend, RouteTable

_ENDPOINTS = "eds_"
_STATISTICS = {
    "lds": "listener_manager.lds",
    "cds": "cluster_manager.cds",
    "rds": f"http.{STATISTICS}.rds.{ROUTES}",
}


@dataclass(frozen=True)
class ResourceFile:
    """One watched file: `version` is the hash of its resources."""

    name: str
    version: str
    text: str

    @classmethod
    def of(cls, name: str, resources: Iterable[Resource]) -> ResourceFile:
        """Return the file that holds `resources`."""
        listed = list(resources)
        version = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
        return cls(name, version, json.dumps({"version_info": version, "resources": listed}))

    @property
    def resources(self) -> dict[str, Resource]:
        """Return its resources by name."""
        listed: list[Resource] = json.loads(self.text)["resources"]
        return {str(one.get("name", one.get("cluster_name"))): one for one in listed}

    @property
    def is_readable(self) -> bool:
        """Tell whether its text holds resources; a file on disk may be damaged."""
        try:
            return bool(self.resources) or True
        except (ValueError, KeyError, TypeError, AttributeError):
            return False

    def joined(self, other: ResourceFile) -> ResourceFile:
        """Return this file with what only `other` has added to it."""
        both = {**other.resources, **self.resources}
        return ResourceFile.of(self.name, (both[name] for name in sorted(both)))


@dataclass(frozen=True)
class Snapshot:
    """Everything Envoy is told, consistent in itself."""

    version: str
    files: Mapping[str, ResourceFile]

    @property
    def endpoint_files(self) -> list[ResourceFile]:
        """Return the files with the endpoints, one per service."""
        return [file for name, file in self.files.items() if name.startswith(_ENDPOINTS)]


def snapshot(table: RouteTable, layout: Layout) -> Snapshot:
    """Return what Envoy must be told to serve `table`."""
    backends = sorted(table.backends, key=lambda backend: backend.service)
    files = [
        *(_endpoint_file(backend, layout) for backend in backends),
        ResourceFile.of("cds", [cluster(backend, layout) for backend in backends]),
        ResourceFile.of("lds", [listener(layout)]),
        ResourceFile.of("rds", [route_configuration(backends, layout)]),
    ]
    whole = hashlib.sha256("".join(file.version for file in files).encode()).hexdigest()[:16]
    return Snapshot(whole, {file.name: file for file in files})


def _endpoint_file(backend: Backend, layout: Layout) -> ResourceFile:
    return ResourceFile.of(f"{_ENDPOINTS}{backend.service}", [load_assignment(backend, layout)])


def statistics_prefix(name: str) -> str:
    """Return under which prefix Envoy counts the updates of a file."""
    return _STATISTICS.get(name) or f"cluster.{name.removeprefix(_ENDPOINTS)}"
