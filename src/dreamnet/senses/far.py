"""How one kind of watched target is asked: the shape that URL, TCP, DNS and certificate share."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dreamnet.model.watches import WatchFailure
from dreamnet.senses.oserror import in_words


@dataclass(frozen=True)
class FarAnswer:
    """What came back: our words, never those of the target, and when its certificate ends."""

    output: str
    failure: WatchFailure | None = None
    certificate_ends: datetime | None = None


def certificate_ends(transport: Any) -> datetime | None:
    """Return when the certificate that a connection's peer showed ends; None without TLS."""
    found: Any = transport.get_extra_info("peercert") if transport is not None else None
    if not found:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)


def failed(error: OSError) -> FarAnswer:
    """Return what a failed connection amounts to, in words without addresses."""
    match error:
        case ssl.SSLCertVerificationError():
            words = f"certificate not trusted: {error.verify_message}"
            return FarAnswer(words, WatchFailure.TLS)
        case ssl.SSLError():
            reason = str(error.reason or "no reason told").replace("_", " ").lower()
            return FarAnswer(f"TLS failed: {reason}", WatchFailure.TLS)
        case socket.gaierror():
            return FarAnswer(f"the name does not resolve: {_dns_words(error)}", WatchFailure.DNS)
        case ConnectionRefusedError():
            return FarAnswer(in_words(error), WatchFailure.REFUSED)
        case _:
            return FarAnswer(in_words(error), WatchFailure.NETWORK)


def _dns_words(error: socket.gaierror) -> str:
    return str(error.strerror or error).lower()
