"""Admission of actions: a first, simple reef behind the interface that full settlement keeps."""
