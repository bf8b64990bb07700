"""Lines -> bookings and cancellations (pure, columnar).

`aggregate` turns the lines of one load (a day, or a backfill's file) into ledger rows.  Python touches single lines only
for bookings of several lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from pipeline import policy
from pipeline.schema import BOOKING, CANCELLATION, CARRIED, JOINED, Row


@dataclass(frozen=True, slots=True)
class Entries:
    """The ledger rows of one load, as records with the columns BOOKING and CANCELLATION plus `file` and `lines`.

    `file` is the position of the file (of the first line) in the load, `lines` its line numbers as `2,3`.  Instants are
    integer microseconds since 1970 UTC; days and `performance_start` are local ISO texts.
    """

    bookings: list[Row]
    cancellations: list[Row]


def aggregate(tables: Sequence[pa.Table]) -> Entries:
    """Rule 1: the lines of one (transaction, performance) become one booking; those of one cancellation, one as well.

    `tables` are the files of the load, each of the schema `LINES`.
    """
    parts = [_frame(table).assign(file=number) for number, table in enumerate(tables)]
    lines = pd.concat(parts, ignore_index=True) if parts else _frame(pa.schema([]).empty_table())
    if lines.empty:
        return Entries([], [])
    _add_keys(lines)
    purchases = lines[lines["operation"] == "purchase"]
    cancellations = lines[lines["operation"] == "cancellation"]
    return Entries(_bookings(purchases), _cancellations(cancellations))


def _frame(table: pa.Table) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            columns[name] = column.cast(pa.int64()).to_numpy()
        elif pa.types.is_date(column.type):
            columns[name] = column.cast(pa.string()).to_pandas().astype(object)
        elif pa.types.is_integer(column.type):
            columns[name] = column.to_numpy()
        else:
            columns[name] = column.to_pandas().astype(object)
    frame = pd.DataFrame(columns)
    texts = [name for name in frame.columns if frame[name].dtype == object]
    frame[texts] = frame[texts].where(frame[texts].notna(), None)
    return frame


def _add_keys(lines: pd.DataFrame) -> None:
    shows = lines[["show_id", "show_title"]].drop_duplicates()
    show_keys = {pair: policy.show_key(*pair) for pair in shows.itertuples(index=False, name=None)}
    lines["show_key"] = _looked_up(show_keys, lines, ["show_id", "show_title"])
    columns = ["performance_id", "show_title", "performance_start"]
    performances = lines[columns].drop_duplicates()
    performance_keys = {
        triple: policy.performance_key(*triple) for triple in performances.itertuples(index=False, name=None)
    }
    lines["performance_key"] = _looked_up(performance_keys, lines, columns)


def _looked_up(
    keys: Mapping[tuple[object, ...], str | None], lines: pd.DataFrame, columns: list[str]
) -> pd.Series[str]:
    found = [keys[combination] for combination in zip(*(lines[column] for column in columns), strict=True)]
    return pd.Series(found, index=lines.index, dtype=object)


def _bookings(purchases: pd.DataFrame) -> list[Row]:
    """One row per booking; only those of several lines are looked at line by line."""
    lines = purchases.rename(columns={"transaction_at": "booked_at", "transaction_on": "booked_on"})
    several = lines.duplicated(["transaction_id", "performance_key"], keep=False)
    rows = _records(lines[~several], [*BOOKING, "file", "line"])
    for row in rows:
        row["lines"] = str(row.pop("line"))
    together = _grouped(_records(lines[several], [*BOOKING, "file", "line"]), ("transaction_id", "performance_key"))
    rows.extend(_one_booking(group) for group in together)
    return rows


def _one_booking(group: Sequence[Row]) -> Row:
    row: Row = {column: _first(line[column] for line in group) for column in (*BOOKING[:3], *CARRIED)}
    row["booked_at"] = max(_whole(line["booked_at"]) for line in group)
    row["booked_on"] = max(str(line["booked_on"]) for line in group)
    row["tickets"] = sum(_whole(line["tickets"]) for line in group)
    row["net_cents"] = sum(_whole(line["net_cents"]) for line in group)
    row.update((column, policy.joined(str(line[column] or "") for line in group)) for column in JOINED)
    return row | _place(group)


def _cancellations(lines: pd.DataFrame) -> list[Row]:
    """One row per (transaction, performance, instant): the lines of one act are summed."""
    lines = lines.rename(columns={"transaction_at": "cancelled_at", "transaction_on": "cancelled_on"})
    rows: list[Row] = []
    for group in _grouped(
        _records(lines, [*CANCELLATION, "file", "line"]), ("transaction_id", "performance_key", "cancelled_at")
    ):
        row: Row = {column: _first(line[column] for line in group) for column in CANCELLATION}
        row["tickets"] = sum(_whole(line["tickets"]) for line in group)
        rows.append(row | _place(group))
    return rows


def _grouped(records: Iterable[Row], key: tuple[str, ...]) -> Iterable[list[Row]]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for record in records:
        groups.setdefault(tuple(record[column] for column in key), []).append(record)
    return groups.values()


def _place(group: Sequence[Row]) -> Row:
    file = group[0]["file"]
    return {"file": file, "lines": ",".join(str(line["line"]) for line in group if line["file"] == file)}


def _first(column: Iterable[object]) -> object:
    return next((value for value in column if value is not None), None)


def _records(frame: pd.DataFrame, columns: Sequence[str]) -> list[Row]:
    lists = [frame[column].tolist() for column in columns]
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def _whole(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]
