"""The waiting room: a tiny process in which requests wait while their service has no instance.

The gateway sends a request here when a service has no healthy instance, or when two tries in a
row failed. The answer `503` with `x-hold-retry: 1` sends it back to the instances; any other
answer carries `x-envoy-ratelimited`, which tells Envoy not to try again. What to do comes from a
small state file, and whether an instance listens is tried by a connection, so the room is right
even while the node that writes the file is dead.
"""
