"""`python -m bench`: every figure of this release, one after the other."""

from __future__ import annotations

import sys

from bench.heal import main

if __name__ == "__main__":
    sys.exit(main())
