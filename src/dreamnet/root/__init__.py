"""Root: starts the node, and again when it dies or hangs; standard library only.

The node lives in its own session, so Ctrl-C reaches root only, and root's death leaves it running:
the next root finds it by `node.json` and takes it over.
"""

from dreamnet.root.end import AGAIN_CODE, BUSY_CODE, WRONG_CONFIG_CODE
from dreamnet.root.living import is_same_process, living_node, living_process, start_ticks
from dreamnet.root.lock import AlreadyRunning, living_root
from dreamnet.root.supervisor import COMPLAINT_VARIABLE, Root

__all__ = [
    "AGAIN_CODE",
    "BUSY_CODE",
    "COMPLAINT_VARIABLE",
    "WRONG_CONFIG_CODE",
    "AlreadyRunning",
    "Root",
    "is_same_process",
    "living_node",
    "living_process",
    "living_root",
    "start_ticks",
]
