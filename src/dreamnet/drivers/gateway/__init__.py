"""The gateway routes users' requests to instances."""
