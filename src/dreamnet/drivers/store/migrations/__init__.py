"""The schema's history; the revisions are named here so that a look costs no Alembic import."""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]
