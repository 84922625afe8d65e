"""Looks at what runs, and asks node and gateway whether they answer."""

from __future__ import annotations

import contextlib
import http.client
import json
from pathlib import Path
from typing import Any, cast

from dreamnet import __version__
from dreamnet.app.doctor.parts import Parts
from dreamnet.app.remains import GATEWAY, ROOM, Remains
from dreamnet.client.address import read_data_dir
from dreamnet.client.errors import ClientError
from dreamnet.client.transport import Call, Transport
from dreamnet.kernel.processes import current_boot_id
from dreamnet.model.address import Address

_PATIENCE_S = 3.0


def look_at_parts(data_dir: Path, remains: Remains, gateway: Address | None) -> Parts:
    """Return what runs and what it says; `gateway` is where it should answer, if that is known."""
    record = _json(data_dir / "node.json")
    silence, unready = _ask_node(data_dir) if remains.node is not None else ("", ())
    gateway_pid = remains.served.get(GATEWAY)
    asked = gateway is not None and gateway_pid is not None
    return Parts(
        data_dir=str(data_dir),
        own_version=__version__,
        root=remains.root,
        node=remains.node,
        served=", ".join(f"{name} (pid {pid})" for name, pid in remains.served.items()),
        gateway=gateway_pid,
        room=remains.served.get(ROOM),
        recorded=bool(record),
        rebooted=bool(record) and record.get("boot_id") != current_boot_id(),
        node_version=str(record.get("version", "")),
        silence=silence,
        unready=unready,
        gateway_silence=_ask_gateway(gateway) if gateway is not None and asked else "",
        complaint=_text(data_dir / "complaint"),
        halt=_halt(data_dir / "halt"),
    )


def _ask_node(data_dir: Path) -> tuple[str, tuple[str, ...]]:
    """Return why it is silent, and which of its own checks are not well."""
    try:
        node = Transport(read_data_dir(data_dir), _PATIENCE_S)
        node.send(Call("GET", "/health/live"))
        body = node.send(Call("GET", "/health/ready")).body
    except ClientError as error:
        return str(error), ()
    document = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    checks = cast("dict[str, list[dict[str, Any]]]", document.get("checks") or {})
    return "", tuple(
        f"{name.partition(':')[0]}: {one.get('output') or one.get('status')}"
        for name, results in checks.items()
        for one in results
        if one.get("status") not in ("pass", None)
    )


def _ask_gateway(listen: Address) -> str:
    """Return why the gateway is silent; any answer of HTTP will do."""
    connection = http.client.HTTPConnection(listen.from_here.host, listen.port, timeout=_PATIENCE_S)
    try:
        connection.request("HEAD", "/", headers={"Host": "doctor.dreamnet.invalid"})
        connection.getresponse()
    except TimeoutError:
        return f"nothing within {_PATIENCE_S:g} s"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return ""


def _halt(file: Path) -> str | None:
    """Return the reason of a halt, empty when none was given; None when not halted."""
    if not file.exists():
        return None
    return str(_json(file).get("reason", ""))


def _json(file: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found: object = json.loads(file.read_text())
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return {}


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace").strip()
    return ""
