"""The HTTP face: API, health, metrics, live events."""
