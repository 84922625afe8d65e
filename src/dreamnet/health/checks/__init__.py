"""Checks that most services need."""
