"""Write every table of the reference: `make reference`."""

from __future__ import annotations

import sys

from tools.reference.pages import PAGES, write


def main() -> int:
    """Write the pages and say which changed."""
    for page in PAGES:
        if write(page):
            sys.stderr.write(f"reference: {page.file.name} has changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
