"""`python -m bench`: every figure of this release, one after the other."""

from __future__ import annotations

import sys

from bench import heal, scale


def main(words: list[str]) -> int:
    """Measure all, or with `--only scale` the figures of scale alone."""
    if words[:2] == ["--only", "scale"]:
        return scale.main(words[2:])
    failed = heal.main(words)
    return failed if words else failed or scale.main([])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
