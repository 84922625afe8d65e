"""The node: assembled from its parts, run until it is told to stop."""
