"""The tables of the store and the indexes that keep its promises."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    true,
)

from dreamnet.drivers.store.codec import Instant, Json, Words

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

# Counts insertions, so that "oldest first" is exact even when two rows share a microsecond.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def _number() -> Column[int]:
    return Column("number", _NUMBER, Identity(always=True), primary_key=True)


services = Table(
    "services",
    metadata,
    Column("name", Words, primary_key=True),
    Column("wanted", Integer, nullable=False),
    Column("configured", Integer, nullable=False),
    CheckConstraint("wanted >= 0", name="wanted"),
)

cases = Table(
    "cases",
    metadata,
    _number(),
    Column("id", Words, nullable=False, unique=True),
    Column("kind", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("fingerprint", Words, nullable=False),
    Column("phase", Words, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("opened", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("data", Json, nullable=False),
)
Index("cases_kind_number", cases.c.kind, cases.c.number)
Index("cases_kind_live", cases.c.kind, cases.c.live, cases.c.number)
Index("cases_target_updated", cases.c.target, cases.c.updated)
# One spelling for index and queries, or SQLite does not see that the index serves them.
is_live = cases.c.live == true()
Index(
    "cases_one_live",
    cases.c.kind,
    cases.c.fingerprint,
    cases.c.target,
    unique=True,
    sqlite_where=is_live,
    postgresql_where=is_live,
)

actions = Table(
    "actions",
    metadata,
    _number(),
    Column("id", Words, nullable=False, unique=True),
    Column("key", Words, nullable=False, unique=True),
    Column("performer", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("case_id", Words),
    Column("disruptive", Boolean, nullable=False),
    Column("proposal", Text, nullable=False),
    Column("phase", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("lease_owner", Words),
    Column("lease_until", Instant),
    Column("fence", BigInteger, nullable=False),
    Column("detail", Words, nullable=False),
    Column("ended", Instant),
)
Index("actions_phase_performer", actions.c.phase, actions.c.performer)
Index("actions_case", actions.c.case_id)
Index("actions_ended", actions.c.ended)
_active = (actions.c.disruptive == true()) & actions.c.phase.in_(["permitted", "claimed"])
Index(
    "actions_one_disruptive",
    actions.c.target,
    unique=True,
    sqlite_where=_active,
    postgresql_where=_active,
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("kind", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("anchor_seq", BigInteger, nullable=False),
    Column("anchor_hash", Text, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("id", Words, nullable=False, unique=True),
    Column("recipient", Words, nullable=False),
    Column("case_id", Words),
    Column("content", Text, nullable=False),
    Column("state", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Instant, nullable=False),
    Column("lease_owner", Words),
    Column("lease_until", Instant),
    Column("settled", Instant),
    Column("error", Words, nullable=False),
)
Index("deliveries_recipient_state", deliveries.c.recipient, deliveries.c.state, deliveries.c.seq)
Index("deliveries_case", deliveries.c.case_id)
Index("deliveries_settled", deliveries.c.settled)

answers = Table(
    "answers",
    metadata,
    Column("key", Words, primary_key=True),
    Column("digest", Words, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Json, nullable=False),
    Column("at", Instant, nullable=False),
)
Index("answers_at", answers.c.at)

holder = Table(  # whose PostgreSQL database it is; SQLite's file is locked by its directory
    "holder",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),  # milliseconds by the database's clock
    CheckConstraint("id = 1", name="single"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("scope", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant),
    Column("revoked", Instant),
)

schema_version = Table(
    "dreamnet_schema",
    MetaData(),
    Column("version_num", Text, nullable=False),
)
