"""DreamNet: a self-managing runtime for services."""

__version__ = "0.1.0"
