"""Edges to the world: each folder has a Protocol (`base`) and the drivers that keep it."""
