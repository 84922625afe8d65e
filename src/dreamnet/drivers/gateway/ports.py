"""The ports of the gateway: kept over restarts, checked before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from dreamnet.drivers.gateway.files import read_json
from dreamnet.drivers.gateway.layout import LOOPBACK
from dreamnet.kernel.errors import Conflict
from dreamnet.kernel.files import write_whole
from dreamnet.kernel.ports import free_port, is_free
from dreamnet.model.address import Address


def can_listen(address: Address) -> bool:
    """Tell whether nobody listens there and we may; unlike Envoy this never shares a port."""
    try:
        return is_free(address.host, address.port)
    except OSError:
        return False


def require_free(address: Address) -> None:
    """Raise `Conflict` when somebody listens there."""
    if not can_listen(address):
        raise Conflict.of(
            f"the gateway cannot listen on {address}: the port is taken or not allowed",
            where="gateway.listen",
            mend="stop the program that listens there, or choose another port for [gateway] listen",
        )


def free_address() -> Address:
    """Return a loopback address nobody listens on."""
    return Address(host=LOOPBACK, port=free_port(LOOPBACK))


def remembered(path: Path, name: str) -> Address | None:
    """Return the port an earlier node chose for `name`."""
    document = read_json(path)
    port = cast("dict[str, object]", document).get(name) if isinstance(document, dict) else None
    return Address(host=LOOPBACK, port=port) if isinstance(port, int) and 0 < port < 65536 else None


def remember(path: Path, **addresses: Address) -> None:
    """Keep the chosen ports for the next node."""
    chosen = {name: address.port for name, address in addresses.items()}
    if read_json(path) != chosen:
        write_whole(path, json.dumps(chosen))
