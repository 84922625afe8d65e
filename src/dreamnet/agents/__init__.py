"""The keepers and the desk: facts in, proposals out, actions performed through drivers."""
