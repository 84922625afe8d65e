"""`dreamnet` with a root that rests 0.2 s at most before it starts a node again.

Hundreds of kills would otherwise pass in pauses that are there for nodes that die by themselves.
"""

from __future__ import annotations

import sys

from dreamnet.cli.main import main
from dreamnet.root import supervisor

if __name__ == "__main__":
    supervisor.LONGEST_PAUSE_S = supervisor.FIRST_PAUSE_S
    sys.exit(main())
