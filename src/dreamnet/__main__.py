"""The command `dreamnet`: hands over to the CLI, or says in one line what is not installed."""

from __future__ import annotations

import re
import sys
from importlib import metadata

_NOT_INSTALLED = 2


def _missing_from_node() -> list[str]:
    """Return the distributions of the extra `node` that are not installed."""
    try:
        wanted = metadata.requires("dreamnet") or []
    except metadata.PackageNotFoundError:
        return []
    names = [_name(line) for line in wanted if re.search(r"extra\s*==\s*['\"]node['\"]", line)]
    return [name for name in names if not _is_installed(name)]


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match[0] if match else requirement


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> int | None:
    """Run the CLI; 2 when the extra `node` is not installed, any other broken import is raised."""
    try:
        from dreamnet.cli.main import main as run  # noqa: PLC0415  # late, so that it may be absent
    except ModuleNotFoundError:
        missing = _missing_from_node()
        if not missing:
            raise
        needs = f"{missing[0]} and {len(missing) - 1} more" if missing[1:] else missing[0]
        sys.stderr.write(
            f"dreamnet: the command needs {needs}; install them with: "
            'pip install "dreamnet[node]"\n'
        )
        return _NOT_INSTALLED
    return run()


if __name__ == "__main__":
    sys.exit(main())
