"""Platforms run instances."""
