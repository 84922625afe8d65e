"""How a node ends: the exit codes by which it talks to root, and its end in words."""

from __future__ import annotations

from dataclasses import dataclass

AGAIN_CODE = 75  # the node asks to be started again at once
WRONG_CONFIG_CODE = 78  # nothing was started: somebody has to mend the settings
BUSY_CODE = 73  # another DreamNet has this data directory


@dataclass(frozen=True)
class End:
    """How the node ended: exit code, or negative signal number; None when it was not our child.

    `hung` says in words why root killed it, empty when root did not.
    """

    status: int | None
    monotonic_s: float
    hung: str = ""

    def words(self) -> str:
        """Return the end in words."""
        if self.hung:
            return f"{self.hung}; killed by root"
        if self.status is None:
            return "ended, status unknown"
        if self.status < 0:
            return f"killed by signal {-self.status}"
        return f"exit code {self.status}"
