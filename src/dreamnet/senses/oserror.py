"""Operating system errors in words, without addresses."""

from __future__ import annotations

import os
from typing import cast


def in_words(error: OSError) -> str:
    """Return such as `connection refused`; the class name when there is no error number."""
    number = cast("object", error.errno)  # an OSError made from a text has None here
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return type(error).__name__
