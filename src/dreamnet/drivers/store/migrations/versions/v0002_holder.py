"""Whose database it is: the row that lets one node act at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; its row comes with the first node."""
    op.create_table(
        "holder",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="holder_pk"),
        sa.CheckConstraint("id = 1", name=op.f("holder_single_check")),
    )
