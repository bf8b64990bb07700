"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None


def _by_code_points(kind: sa.String) -> TypeEngine[str]:
    return kind.with_variant(type(kind)(kind.length, collation="C"), "postgresql")


ACCOUNT = _by_code_points(sa.String(100))
EMAIL = _by_code_points(sa.String(320))
DAY = _by_code_points(sa.String(10))
KEY = _by_code_points(sa.Text())
GROUP = _by_code_points(sa.String(400))


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("emails", sa.JSON(), nullable=False),
        sa.Column("group_ids", sa.JSON(), nullable=False),
        sa.Column("sent_on", sa.Date(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Batches whose end is not known: waited for, and what they did looked at, before anything else.",
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index("batches_by_account", ["account"], unique=False)

    op.create_table(
        "bookings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("load_id", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("transaction_id", KEY, nullable=False),
        sa.Column("performance_key", KEY, nullable=False),
        sa.Column("show_key", KEY, nullable=True),
        sa.Column("booked_at", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", DAY, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("contact_id", KEY, nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("company", sa.Text(), nullable=True),
        sa.Column("company_2", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("client_created_on", DAY, nullable=True),
        sa.Column("initial_transaction_date", DAY, nullable=True),
        sa.Column("show_id", sa.Text(), nullable=True),
        sa.Column("show_title", sa.Text(), nullable=True),
        sa.Column("performance_id", sa.Text(), nullable=True),
        sa.Column("performance_start", sa.String(length=19), nullable=True),
        sa.Column("performance_end_on", DAY, nullable=True),
        sa.Column("sales_channel", sa.Text(), nullable=True),
        sa.Column("report_category_1", sa.Text(), nullable=True),
        sa.Column("report_category_2", sa.Text(), nullable=True),
        sa.Column("report_category_3", sa.Text(), nullable=True),
        sa.Column("price_category", sa.Text(), nullable=True),
        sa.Column("price_internal_name", sa.Text(), nullable=True),
        sa.Column("price_group", sa.Text(), nullable=True),
        sa.Column("tickets", sa.BigInteger(), nullable=False),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="The ledger's bookings; of the versions of one booking, the one of greatest precedence is current.",
    )
    with op.batch_alter_table("bookings", schema=None) as batch_op:
        batch_op.create_index("bookings_by_contact", ["contact_id", "account"], unique=False)
        batch_op.create_index("bookings_by_email", ["email", "account", "current", "booked_on"], unique=False)
        batch_op.create_index("bookings_by_load", ["load_id", "booked_on", "current"], unique=False)
        batch_op.create_index("bookings_by_transaction", ["transaction_id", "account"], unique=False)

    op.create_table(
        "cancellations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("load_id", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("transaction_id", KEY, nullable=False),
        sa.Column("performance_key", KEY, nullable=False),
        sa.Column("show_key", KEY, nullable=True),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_on", DAY, nullable=False),
        sa.Column("email", EMAIL, nullable=True),
        sa.Column("show_title", sa.Text(), nullable=True),
        sa.Column("performance_start", sa.String(length=19), nullable=True),
        sa.Column("tickets", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="The ledger's cancellations, with the address that they carried.",
    )
    with op.batch_alter_table("cancellations", schema=None) as batch_op:
        batch_op.create_index("cancellations_by_email", ["email", "account"], unique=False)
        batch_op.create_index("cancellations_by_load", ["load_id", "cancelled_on", "current"], unique=False)
        batch_op.create_index("cancellations_by_transaction", ["transaction_id", "account"], unique=False)

    op.create_table(
        "consent_acts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("basis", sa.String(length=40), nullable=False),
        sa.Column("consent_date", sa.Date(), nullable=True),
        sa.Column("consent_proof", sa.Text(), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="The acts that consent rests on: only ever appended, never purged.",
    )
    with op.batch_alter_table("consent_acts", schema=None) as batch_op:
        batch_op.create_index("consent_acts_by_email", ["account", "email"], unique=False)

    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("load_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Every version of every file that was recorded.",
    )
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.create_index("files_by_date", ["account", "business_date"], unique=False)

    op.create_table(
        "groups",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("group_key", GROUP, nullable=False),
        sa.Column("platform_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "group_key"),
        comment="The platform's groups that Placier looks after.",
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("operations", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="What a guard holds until somebody approves it.",
    )
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.create_index("holds_by_account", ["account", "state"], unique=False)

    op.create_table(
        "in_flight",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("consent_date", sa.Date(), nullable=True),
        sa.Column("consent_proof", sa.Text(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("group_keys", sa.JSON(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("account", "email"),
        comment="What was about to be sent and is not acknowledged yet: read back before anything else.",
    )
    op.create_table(
        "keys",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("account"),
        comment="The key of each account's hashes; made when somebody is forgotten for the first time.",
    )
    op.create_table(
        "loads",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="One day, or one file of a backfill: recorded, replaced and purged as a whole.",
    )
    with op.batch_alter_table("loads", schema=None) as batch_op:
        batch_op.create_index("loads_slot", ["account", "kind", "business_date", "name"], unique=True)

    op.create_table(
        "marks",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("resend", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "email"),
        comment="Contacts whose desired and acknowledged state may differ; a receipt takes the mark away.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "members",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("consent_date", sa.Date(), nullable=True),
        sa.Column("consent_proof", sa.Text(), nullable=False),
        sa.Column("consent_kept", sa.String(length=40), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_on", sa.Date(), nullable=False),
        sa.Column("kept_on", sa.Date(), nullable=True),
        sa.Column("kept_until", sa.Date(), nullable=True),
        sa.Column("kept_proof", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "email"),
        comment="Acknowledged: what the platform has accepted of a contact.",
    )
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.create_index("members_by_consent", ["account", "consent_date", "consent_kept"], unique=False)

    op.create_table(
        "memberships",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("group_key", GROUP, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("given_on", sa.Date(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "email", "group_key"),
        comment="Acknowledged: who is in which group, or was taken out of it.",
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index("memberships_by_group", ["account", "group_key", "state"], unique=False)

    op.create_table(
        "page_people",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "run_id", "what", "email"),
        comment="Whom the page of a run tells of, and what.",
    )
    with op.batch_alter_table("page_people", schema=None) as batch_op:
        batch_op.create_index("page_people_by_email", ["account", "email"], unique=False)

    op.create_table(
        "pages",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("told_at", sa.DateTime(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("story", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "run_id"),
        comment="What the page of a run tells, but for whom it was about: enough to write the page again.",
    )
    with op.batch_alter_table("pages", schema=None) as batch_op:
        batch_op.create_index("pages_by_day", ["account", "day"], unique=False)

    op.create_table(
        "problems",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("about", sa.String(length=300), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("told_at", sa.DateTime(), nullable=True),
        sa.Column("told_count", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account", "kind", "about"),
        comment="What people are alerted to: once when it begins, once a week while it lasts, once when it ends.",
    )
    op.create_table(
        "rejects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("load_id", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Lines that were set aside.",
    )
    with op.batch_alter_table("rejects", schema=None) as batch_op:
        batch_op.create_index("rejects_by_load", ["load_id"], unique=False)

    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Every run that was no dry run.",
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index("runs_by_account", ["account", "started_at"], unique=False)

    op.create_table(
        "standings",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.Column("valid", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day"),
        comment="How many contacts there were on a day, and how many of them could be written to.",
    )
    op.create_table(
        "suppressions",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("email", EMAIL, nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("seen_on", sa.Date(), nullable=False),
        sa.Column("contact_ids", sa.JSON(), nullable=False),
        sa.Column("back_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("account", "email"),
        comment="Addresses that are never written to again.",
    )
    op.create_table(
        "tombstones",
        sa.Column("account", ACCOUNT, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("forgotten_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("account", "digest"),
        comment="People who were forgotten: what they did until that day is never recorded again.",
    )
