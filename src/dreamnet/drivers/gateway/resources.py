"""The few shapes that every xDS resource is made of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from dreamnet.model.address import Address

Resource = dict[str, object]

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def seconds(value: timedelta) -> str:
    """Return a protobuf duration, such as `0.500s`."""
    return f"{value.total_seconds():.3f}s"


def socket_address(address: Address) -> Resource:
    """Return a listening or dialled address."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def from_file(path: Path) -> Resource:
    """Return a config source: a file that is watched; it is replaced by rename."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def extension(name: str, kind: str, **config: object) -> Resource:
    """Return a named extension with its typed configuration."""
    return {"name": name, "typed_config": {"@type": f"{_EXTENSIONS}.{kind}", **config}}
