"""The work as somebody who knows Polars well would write it (lazy, on the streaming engine), written through ADBC.

python benchmarks/peers/polars_frames.py history.csv result.db schema.sql
"""

from __future__ import annotations

from itertools import pairwise

import polars as pl
from adbc_driver_sqlite import dbapi
from state import (
    BOOKINGS,
    CANCELLATIONS,
    CONTACTS,
    FROM_FILE,
    JOINED,
    LOAD,
    PERSON,
    PURCHASE,
    SEATS,
    Task,
    asked,
    clock,
    make_indexes,
    make_tables,
)

KEY = ("transaction_id", "performance_key")
ORDER = ("booked_at", "transaction_id", "performance_start", "performance_id")
ONCE = ("show_key", "email", "performance_end_on", *(name for name in FROM_FILE if name not in JOINED))


def _instant(column: str) -> pl.Expr:
    changes = clock()
    behind = pl.lit(changes[-1][1])
    for (_, before), (later, _) in reversed(list(pairwise(changes))):
        behind = pl.when(pl.col(column) < later).then(pl.lit(before)).otherwise(behind)
    return pl.col(column).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us").cast(pl.Int64) + behind


def read(task: Task) -> pl.DataFrame:
    """All lines that count, as values."""
    email = pl.col("courriel").str.strip_chars()
    good = email.str.contains(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    cents = pl.col("montant_net").str.replace(",", ".", literal=True).str.to_decimal(scale=2) * 100
    lines = pl.scan_csv(
        task.history, separator=";", infer_schema=False, row_index_name="line", row_index_offset=2
    ).select(
        pl.col("line").cast(pl.Int64),
        cancels=pl.col("type_operation") == "ANNULATION",
        transaction_id=pl.col("id_reservation"),
        performance_key="id:" + pl.col("id_representation"),
        show_key="id:" + pl.col("id_spectacle"),
        booked_at=_instant("date_transaction"),
        booked_on=pl.col("date_transaction").str.head(10),
        email=pl.when(good).then(email.str.to_lowercase()),
        performance_end_on=pl.col("date_evenement").str.head(10),
        tickets=pl.col("nb_billets").cast(pl.Int64),
        net_cents=cents.cast(pl.Int64),
        **{ours: pl.when(pl.col(theirs) != "").then(pl.col(theirs)) for ours, theirs in FROM_FILE.items()},
    )
    return lines.filter(pl.col("cancels") | pl.col("email").is_not_null()).collect(engine="streaming")


def bookings_of(lines: pl.DataFrame) -> pl.DataFrame:
    """One row a booking, in the order in which the last purchase is found."""
    purchases = lines.filter(~pl.col("cancels")).with_columns(parts=pl.len().over(KEY))
    columns = [*KEY, *ONCE, "booked_at", "booked_on", *JOINED, "tickets", "net_cents"]
    alone = purchases.filter(pl.col("parts") == 1).select(*columns, lines=pl.col("line").cast(pl.String))
    together = (
        purchases.filter(pl.col("parts") > 1)
        .group_by(KEY, maintain_order=True)
        .agg(
            pl.col(ONCE).drop_nulls().first(),
            pl.col("booked_at", "booked_on").max(),
            pl.col(JOINED).drop_nulls().unique(maintain_order=True).str.join(", "),
            pl.col("tickets", "net_cents").sum(),
            lines=pl.col("line").cast(pl.String).str.join(","),
        )
    )
    return pl.concat([alone, together.select(alone.columns)]).sort(ORDER)


def cancellations_of(lines: pl.DataFrame) -> pl.DataFrame:
    """One row a (transaction, performance, instant)."""
    return (
        lines.filter(pl.col("cancels"))
        .rename({"booked_at": "cancelled_at", "booked_on": "cancelled_on"})
        .group_by(*KEY, "cancelled_at", maintain_order=True)
        .agg(
            pl.col("show_key", "cancelled_on", "email", "show_title", "performance_start").drop_nulls().first(),
            pl.col("tickets").sum(),
            lines=pl.col("line").cast(pl.String).str.join(","),
        )
    )


def contacts_of(bookings: pl.DataFrame) -> pl.DataFrame:
    """One row a contact: its own fields the latest that are not empty, the rest from its last purchase."""
    own = [name for name in PERSON if name in FROM_FILE]
    copied = [name for name in PURCHASE if name in FROM_FILE]
    last = bookings.group_by("email").agg(
        pl.col(own).drop_nulls().last(),
        pl.col(*copied, "tickets", "net_cents", "booked_at", "booked_on", "performance_start", "transaction_id").last(),
    )
    day = pl.col("performance_start").str.head(10)
    empty = [name for name in (*PERSON, *PURCHASE) if name not in last.columns and name != "performance_date"]
    return last.select(
        "email",
        *own,
        *copied,
        "tickets",
        "net_cents",
        *(pl.lit(None, pl.String).alias(name) for name in empty),
        consent_date="booked_on",
        known_at="booked_at",
        performance_date=day,
        consent_proof=pl.concat_str("show_title", pl.lit(", "), day, pl.lit(", transaction "), "transaction_id"),
    )


def seats_of(bookings: pl.DataFrame, cancellations: pl.DataFrame) -> pl.DataFrame:
    """One row a contact and show; `reach` is null when a cancellation took the contact out."""
    owners = bookings.select(*KEY, owner="email", bought="show_key")
    acts = (
        cancellations.lazy()
        .join(owners.lazy(), on=KEY, how="left")
        .group_by(pl.coalesce("owner", "email").alias("email"), pl.coalesce("bought", "show_key").alias("show_key"))
        .agg(pl.col("cancelled_at").max())
        .collect(engine="streaming")
    )
    counts = pl.col("cancelled_at").is_null() | (pl.col("booked_at") > pl.col("cancelled_at"))
    return (
        bookings.lazy()
        .select("email", "show_key", "booked_at", "performance_end_on")
        .join(acts.lazy(), on=("email", "show_key"), how="left")
        .group_by("email", "show_key")
        .agg(
            pl.col("booked_at", "cancelled_at").max(),
            reach=pl.when(counts).then(pl.col("performance_end_on")).max(),
        )
        .select("email", "booked_at", "cancelled_at", "reach", group_key="show:" + pl.col("show_key"))
        .collect(engine="streaming")
    )


def main(task: Task) -> None:
    """Read, merge, and write the four tables."""
    lines = read(task)
    bookings, cancellations = bookings_of(lines), cancellations_of(lines)
    del lines
    common = [pl.lit(value).alias(name) for name, value in LOAD.items()]
    make_tables(task)
    with dbapi.connect(str(task.result)) as connection:
        for table, frame, columns in (
            ("bookings", bookings.with_columns(common), BOOKINGS),
            ("cancellations", cancellations.with_columns(common), CANCELLATIONS),
            ("contacts", contacts_of(bookings), CONTACTS),
            ("seats", seats_of(bookings, cancellations), SEATS),
        ):
            frame.select(columns).write_database(table, connection, engine="adbc", if_table_exists="append")
        connection.commit()
    make_indexes(task)


if __name__ == "__main__":
    main(asked())
