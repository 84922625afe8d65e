"""The first schema: services, cases, actions, ledger, deliveries, answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _number() -> sa.Column[int]:
    return sa.Column("number", _NUMBER, sa.Identity(always=True), nullable=False)


def upgrade() -> None:
    """Make every table and the ledger's empty head."""
    _make_services()
    _make_cases()
    _make_actions()
    _make_ledger()
    _make_deliveries()
    _make_answers()


def _make_services() -> None:
    op.create_table(
        "services",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("configured", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="services_pk"),
        sa.CheckConstraint("wanted >= 0", name=op.f("services_wanted_check")),
    )


def _make_cases() -> None:
    op.create_table(
        "cases",
        _number(),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="cases_pk"),
        sa.UniqueConstraint("id", name="cases_id_key"),
    )
    op.create_index("cases_kind_number", "cases", ["kind", "number"])
    op.create_index("cases_kind_live", "cases", ["kind", "live", "number"])
    op.create_index("cases_target_updated", "cases", ["target", "updated"])
    op.create_index(
        "cases_one_live",
        "cases",
        ["kind", "fingerprint", "target"],
        unique=True,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live = true"),
    )


def _make_actions() -> None:
    op.create_table(
        "actions",
        _number(),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("performer", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("case_id", sa.Text),
        sa.Column("disruptive", sa.Boolean, nullable=False),
        sa.Column("proposal", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.PrimaryKeyConstraint("number", name="actions_pk"),
        sa.UniqueConstraint("id", name="actions_id_key"),
        sa.UniqueConstraint("key", name="actions_key_key"),
    )
    op.create_index("actions_phase_performer", "actions", ["phase", "performer"])
    op.create_index("actions_case", "actions", ["case_id"])
    op.create_index("actions_ended", "actions", ["ended"])
    op.create_index(
        "actions_one_disruptive",
        "actions",
        ["target"],
        unique=True,
        sqlite_where=sa.text("disruptive = 1 AND phase IN ('permitted', 'claimed')"),
        postgresql_where=sa.text("disruptive = true AND phase IN ('permitted', 'claimed')"),
    )


def _make_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("seq", _NUMBER, nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="ledger_pk"),
    )
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("anchor_seq", sa.BigInteger, nullable=False),
        sa.Column("anchor_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="ledger_head_pk"),
        sa.CheckConstraint("id = 1", name=op.f("ledger_head_single_check")),
    )
    first = "0" * 64
    row = {"id": 1, "seq": 0, "hash": first, "anchor_seq": 0, "anchor_hash": first}
    op.bulk_insert(head, [row])


def _make_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("seq", _NUMBER, nullable=False, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("case_id", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("settled", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="deliveries_pk"),
        sa.UniqueConstraint("id", name="deliveries_id_key"),
    )
    op.create_index("deliveries_recipient_state", "deliveries", ["recipient", "state", "seq"])
    op.create_index("deliveries_case", "deliveries", ["case_id"])
    op.create_index("deliveries_settled", "deliveries", ["settled"])


def _make_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="answers_pk"),
    )
    op.create_index("answers_at", "answers", ["at"])
