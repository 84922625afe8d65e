"""The ports of the gateway: kept over restarts, checked before anything is started."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import cast

from dreamnet.drivers.gateway.files import read_json, write_whole
from dreamnet.drivers.gateway.layout import LOOPBACK, Address
from dreamnet.kernel.errors import Conflict


def is_free(address: Address) -> bool:
    """Tell whether nobody listens there; unlike Envoy this never shares a port."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(address: Address) -> None:
    """Raise `Conflict` when somebody listens there."""
    if not is_free(address):
        raise Conflict.of(
            f"the gateway cannot listen on {address}: the port is taken or not allowed",
            where="gateway.listen",
            mend="stop the program that listens there, or choose another port for [gateway] listen",
        )


def free_address() -> Address:
    """Return a loopback address nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return Address(LOOPBACK, probe.getsockname()[1])


def remembered(path: Path, name: str) -> Address | None:
    """Return the port an earlier node chose for `name`."""
    document = read_json(path)
    port = cast("dict[str, object]", document).get(name) if isinstance(document, dict) else None
    return Address(LOOPBACK, port) if isinstance(port, int) and 0 < port < 65536 else None


def remember(path: Path, **addresses: Address) -> None:
    """Keep the chosen ports for the next node."""
    write_whole(path, json.dumps({name: address.port for name, address in addresses.items()}))
