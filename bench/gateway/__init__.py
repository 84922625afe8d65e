"""The gateway beside raw Envoy with the same configuration, and beside nginx."""
