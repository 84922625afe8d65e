"""Decisions, purely: parts that do not know each other and never touch the world."""
