"""Gathers the facts that the rules judge; nothing here decides, and nothing is changed."""
