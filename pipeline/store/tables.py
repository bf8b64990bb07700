"""The tables: the ledger (what the files said), the acknowledged state (what the platform accepted), the runs.

Days and local times of the ledger are ISO texts (they sort as dates on every database), instants are microseconds
since 1970 UTC, money is cents.  Every row belongs to an account.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")


def _by_code_points(kind: String) -> TypeEngine[str]:
    """Texts that are sorted and looked up: by their code points, as Python and SQLite do, whatever the database's language.

    That is also cheap: PostgreSQL sorts such texts by bytes, https://www.postgresql.org/docs/current/collation.html.
    """
    return kind.with_variant(type(kind)(kind.length, collation="C"), "postgresql")


ACCOUNT = _by_code_points(String(100))
EMAIL = _by_code_points(String(320))
DAY = _by_code_points(String(10))
KEY = _by_code_points(Text())
GROUP = _by_code_points(String(400))

loads = Table(
    "loads",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("kind", String(10), nullable=False),  # day or backfill
    Column("business_date", Date, nullable=False),
    Column("name", String(255), nullable=False),  # of a backfill's file; empty for a day
    Column("as_of", Date, nullable=False),  # the day it was read for: it judges dates that lie ahead
    Column("fingerprint", String(64), nullable=False),  # of the content: files, mapping, what was accepted
    Column("lines", Integer, nullable=False),
    Column("recorded_at", DateTime, nullable=False),
    comment="One day, or one file of a backfill: recorded, replaced and purged as a whole.",
)
Index("loads_slot", loads.c.account, loads.c.kind, loads.c.business_date, loads.c.name, unique=True)

files = Table(
    "files",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("load_id", BigInteger),  # null once the load was replaced or purged
    Column("kind", String(10), nullable=False),
    Column("business_date", Date, nullable=False),
    Column("role", String(20), nullable=False),
    Column("name", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("recorded_at", DateTime, nullable=False),
    comment="Every version of every file that was recorded.",
)
Index("files_by_date", files.c.account, files.c.business_date)

bookings = Table(
    "bookings",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("load_id", BigInteger, nullable=False),
    Column("file_id", BigInteger, nullable=False),
    Column("lines", Text, nullable=False),
    Column("precedence", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("transaction_id", KEY, nullable=False),
    Column("performance_key", KEY, nullable=False),
    Column("show_key", KEY),
    Column("booked_at", BigInteger, nullable=False),
    Column("booked_on", DAY, nullable=False),
    Column("email", EMAIL, nullable=False),
    Column("contact_id", KEY),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("company", Text),
    Column("company_2", Text),
    Column("phone", Text),
    Column("city", Text),
    Column("postal_code", Text),
    Column("client_created_on", DAY),
    Column("initial_transaction_date", DAY),
    Column("show_id", Text),
    Column("show_title", Text),
    Column("performance_id", Text),
    Column("performance_start", String(19)),
    Column("performance_end_on", DAY),
    Column("sales_channel", Text),
    Column("report_category_1", Text),
    Column("report_category_2", Text),
    Column("report_category_3", Text),
    Column("price_category", Text),
    Column("price_internal_name", Text),
    Column("price_group", Text),
    Column("tickets", BigInteger, nullable=False),
    Column("net_cents", BigInteger, nullable=False),
    comment="The ledger's bookings; of the versions of one booking, the one of greatest precedence is current.",
)
Index("bookings_by_email", bookings.c.email, bookings.c.account, bookings.c.current, bookings.c.booked_on)
Index("bookings_by_transaction", bookings.c.transaction_id, bookings.c.account)
Index("bookings_by_load", bookings.c.load_id, bookings.c.booked_on, bookings.c.current)
Index("bookings_by_contact", bookings.c.contact_id, bookings.c.account)

cancellations = Table(
    "cancellations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("load_id", BigInteger, nullable=False),
    Column("file_id", BigInteger, nullable=False),
    Column("lines", Text, nullable=False),
    Column("precedence", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("transaction_id", KEY, nullable=False),
    Column("performance_key", KEY, nullable=False),
    Column("show_key", KEY),
    Column("cancelled_at", BigInteger, nullable=False),
    Column("cancelled_on", DAY, nullable=False),
    Column("email", EMAIL),
    Column("show_title", Text),
    Column("performance_start", String(19)),
    Column("tickets", BigInteger, nullable=False),
    comment="The ledger's cancellations, with the address that they carried.",
)
Index("cancellations_by_email", cancellations.c.email, cancellations.c.account)
Index("cancellations_by_transaction", cancellations.c.transaction_id, cancellations.c.account)
Index("cancellations_by_load", cancellations.c.load_id, cancellations.c.cancelled_on, cancellations.c.current)

rejects = Table(
    "rejects",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("load_id", BigInteger, nullable=False),
    Column("file_id", BigInteger, nullable=False),
    Column("line", Integer, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("text", Text, nullable=False),
    comment="Lines that were set aside.",
)
Index("rejects_by_load", rejects.c.load_id)

marks = Table(
    "marks",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("resend", Boolean, nullable=False),
    sqlite_with_rowid=False,
    comment="Contacts whose desired and acknowledged state may differ; a receipt takes the mark away.",
)

members = Table(
    "members",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("values", JSON, nullable=False),
    Column("consent_date", Date),
    Column("consent_proof", Text, nullable=False),
    Column("consent_kept", String(40), nullable=False),  # the platform's own better consent, e.g. express-consent
    Column("known_at", BigInteger, nullable=False),
    Column("sent_on", Date, nullable=False),
    Column("kept_on", Date),  # of that better consent: its day, its last day, its proof
    Column("kept_until", Date),
    Column("kept_proof", Text, nullable=False),
    comment="Acknowledged: what the platform has accepted of a contact.",
)
Index("members_by_consent", members.c.account, members.c.consent_date, members.c.consent_kept)

memberships = Table(
    "memberships",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("group_key", GROUP, primary_key=True),
    Column("state", String(10), nullable=False),  # in, out, or gone (with the group that staff deleted)
    Column("given_on", Date, nullable=False),  # the as-of day by which it was given
    Column("settled", Boolean, nullable=False),  # its bookings were purged: no correction can take it back
    comment="Acknowledged: who is in which group, or was taken out of it.",
)
Index("memberships_by_group", memberships.c.account, memberships.c.group_key, memberships.c.state)

groups = Table(
    "groups",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("group_key", GROUP, primary_key=True),
    Column("platform_id", BigInteger, nullable=False),
    Column("title", String(255), nullable=False),
    Column("deleted", Boolean, nullable=False),
    comment="The platform's groups that Placier looks after.",
)

in_flight = Table(
    "in_flight",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("values", JSON, nullable=False),
    Column("consent_date", Date),
    Column("consent_proof", Text, nullable=False),
    Column("known_at", BigInteger, nullable=False),
    Column("group_keys", JSON, nullable=False),
    Column("as_of", Date, nullable=False),
    comment="What was about to be sent and is not acknowledged yet: read back before anything else.",
)

batches = Table(
    "batches",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("numbers", JSON, nullable=False),  # the platform's; none as long as it has not answered
    Column("emails", JSON, nullable=False),
    Column("group_ids", JSON, nullable=False),
    Column("sent_on", Date, nullable=False),  # on the clock
    Column("late", Boolean, nullable=False),  # a run went on before it ended
    comment="Batches whose end is not known: waited for, and what they did looked at, before anything else.",
)
Index("batches_by_account", batches.c.account)

suppressions = Table(
    "suppressions",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("reason", String(20), nullable=False),  # unsubscribed or bounced
    Column("since", Date),  # as the platform says
    Column("seen_on", Date, nullable=False),
    Column("contact_ids", JSON, nullable=False),  # of purged bookings, so that a changed address inherits it
    Column("back_on", Date),  # seen as a member again, though never written to by us
    comment="Addresses that are never written to again.",
)

consent_acts = Table(
    "consent_acts",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("email", EMAIL, nullable=False),  # the keyed hash of one that was forgotten
    Column("act", String(20), nullable=False),
    Column("day", Date, nullable=False),
    Column("basis", String(40), nullable=False),
    Column("consent_date", Date),
    Column("consent_proof", Text, nullable=False),
    Column("file", String(255), nullable=False),
    Column("lines", Text, nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("at", DateTime, nullable=False),
    comment="The acts that consent rests on: only ever appended, never purged.",
)
Index("consent_acts_by_email", consent_acts.c.account, consent_acts.c.email)

tombstones = Table(
    "tombstones",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("digest", String(80), primary_key=True),  # keyed hash of the address, or of a transaction
    Column("forgotten_on", Date, nullable=False),
    comment="People who were forgotten: what they did until that day is never recorded again.",
)

keys = Table(
    "keys",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("key", String(64), nullable=False),
    comment="The key of each account's hashes; made when somebody is forgotten for the first time.",
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("date", Date),
    Column("as_of", Date, nullable=False),
    Column("status", String(10), nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime),
    Column("message", Text, nullable=False),
    Column("summary", JSON, nullable=False),
    comment="Every run that was no dry run.",
)
Index("runs_by_account", runs.c.account, runs.c.started_at)

holds = Table(
    "holds",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("reason", String(20), nullable=False),  # leaves, platform, rejects, volume or gap
    Column("account", ACCOUNT, nullable=False),
    Column("date", Date),
    Column("as_of", Date, nullable=False),
    Column("operations", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("state", String(12), nullable=False),  # open, approved, or superseded
    comment="What a guard holds until somebody approves it.",
)
Index("holds_by_account", holds.c.account, holds.c.state)

problems = Table(
    "problems",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("kind", String(20), primary_key=True),  # missing, failed, held, refused, group or came_back
    Column("about", String(300), primary_key=True),  # a day, a kind of failure, a group's title; or nothing
    Column("count", Integer, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("told_at", DateTime),  # null: nobody was told yet
    Column("told_count", Integer, nullable=False),
    Column("ended_at", DateTime),  # over, and nobody was told yet
    comment="What people are alerted to: once when it begins, once a week while it lasts, once when it ends.",
)

pages = Table(
    "pages",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("run_id", String(40), primary_key=True),
    Column("day", Date, nullable=False),  # the page that tells of the run
    Column("kind", String(10), nullable=False),
    Column("status", String(10), nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("told_at", DateTime, nullable=False),  # a page that was written earlier is out of date
    Column("lines", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("story", JSON, nullable=False),
    comment="What the page of a run tells, but for whom it was about: enough to write the page again.",
)
Index("pages_by_day", pages.c.account, pages.c.day)

page_people = Table(
    "page_people",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("run_id", String(40), primary_key=True),
    Column("what", String(10), primary_key=True),  # changed, refused or expiring
    Column("email", EMAIL, primary_key=True),
    Column("detail", JSON, nullable=False),
    comment="Whom the page of a run tells of, and what.",
)
Index("page_people_by_email", page_people.c.account, page_people.c.email)

standings = Table(
    "standings",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("contacts", Integer, nullable=False),
    Column("valid", Integer, nullable=False),
    comment="How many contacts there were on a day, and how many of them could be written to.",
)
