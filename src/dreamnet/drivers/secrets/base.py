"""The seam to where secret variables come from."""

from __future__ import annotations

from typing import Protocol


class SecretSource(Protocol):
    """Gives the variables of one file or store.

    Reading changes nothing, may be repeated at any time and says what is there now. Errors name
    the place and never a value: `ConfigError` when a human has to mend it, `Unavailable` when the
    same call may succeed later.
    """

    async def read(self) -> dict[str, str]:
        """Return every variable; the caller may change the dictionary."""
        ...
