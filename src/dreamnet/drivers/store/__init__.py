"""The store keeps the truth."""
