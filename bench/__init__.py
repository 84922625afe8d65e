"""Measurements of DreamNet: load, faults, and the tables made of them."""
