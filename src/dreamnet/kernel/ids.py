"""Fresh identifiers and fresh randomness, for the parts that do not take theirs from a test."""

from __future__ import annotations

import random
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 9
_RANDOM_DIGITS = 7


def _encode(value: int, digits: int) -> str:
    out = ""
    for _ in range(digits):
        value, rest = divmod(value, len(_ALPHABET))
        out = _ALPHABET[rest] + out
    return out


def fresh_id(prefix: str) -> str:
    """Return `prefix-` and 16 base-32 digits: 45 bits of milliseconds, then 35 random bits."""
    millis = _encode(time.time_ns() // 1_000_000, _TIME_DIGITS)
    return f"{prefix}-{millis}{_encode(secrets.randbits(35), _RANDOM_DIGITS)}"


def fresh_secret() -> str:
    """Return 256 random bits as base64url."""
    return secrets.token_urlsafe(32)


def fresh_random() -> random.Random:
    """Return a generator seeded by the system, for jitter."""
    return random.Random()
