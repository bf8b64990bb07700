"""Columns of text -> columns of texts, addresses, amounts, counts and instants.

Each function takes a whole column, parses every distinct value once, by columns where the value is ordinary and one at a
time where it is odd, and says per row whether there was a value and whether it could be read.  Money is integer cents and
never passes through a floating point number.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, TypeAlias, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Texts = pa.StringArray
Few: TypeAlias = "pa.DictionaryArray[Any, Any]"
Column: TypeAlias = "Texts | Few"
"""Texts row by row, or as places in a dictionary."""
NO_TEXT = pa.scalar(None, pa.string())
LONGEST_ID = 255

_SPACE, _APOSTROPHE, _ASCII = 0x20, 0x27, 0x7F

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH = datetime(1970, 1, 1)
_FIRST = (datetime(1, 1, 3) - EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 29) - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of integers: `values` (0 where unreadable) and which rows could be read."""

    values: Integers
    valid: Flags


@dataclass(frozen=True, slots=True)
class Emails:
    """A column of addresses: lower-cased texts (null where blank or malformed), which rows had one, which are right."""

    values: Texts
    filled: Flags
    valid: Flags


@dataclass(frozen=True, slots=True)
class Moments:
    """A column of dates: microseconds since 1970, in UTC and on the account's clock; `valid` implies `filled`."""

    utc: Integers
    local: Integers
    filled: Flags
    valid: Flags

    @classmethod
    def none(cls, size: int) -> Moments:
        """A column without dates."""
        zeros, nowhere = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.bool_)
        return cls(zeros, zeros, nowhere, nowhere)

    def at(self, places: Integers) -> Moments:
        """The dates at these places."""
        return Moments(self.utc[places], self.local[places], self.filled[places], self.valid[places])

    @property
    def bad(self) -> Flags:
        """Rows that hold something which is no date."""
        return self.filled & ~self.valid

    @property
    def days(self) -> Integers:
        """Local days since 1970."""
        return self.local // DAY


def texts(column: Column, *, apostrophe: bool = False) -> Column:
    """Trimmed, composed (NFC) texts, empty ones null; with `apostrophe`, a spreadsheet's leading one is taken off.

    A dictionary gives a dictionary, without null in it and with each text once.
    """
    if isinstance(column, pa.DictionaryArray):
        written = cast(Texts, column.dictionary)
        mended = _trimmed(written, apostrophe=apostrophe)
        if mended.equals(written):
            return column
        known = mended.dictionary_encode()
        return pa.DictionaryArray.from_arrays(known.indices.take(column.indices), known.dictionary, safe=False)
    odd = _untidy(column, apostrophe=apostrophe)
    if odd.any():
        mask = pa.array(odd)
        column = pc.replace_with_mask(column, mask, _trimmed(column.filter(mask), apostrophe=apostrophe))
    ends, _ = _bytes(cast(Texts, column))
    if not np.any(ends[1:] == ends[:-1]):
        return column
    return cast(Texts, pc.if_else(pc.not_equal(column, pa.scalar("")), column, NO_TEXT))


def plain(column: Column) -> Texts:
    """The same texts row by row."""
    return cast(Texts, column.dictionary_decode()) if isinstance(column, pa.DictionaryArray) else column


def _untidy(column: Texts, *, apostrophe: bool) -> Flags:
    """The rows that may need trimming or composing: told by their first and last bytes, and by bytes beyond ASCII."""
    ends, data = _bytes(column)
    if not len(data):
        return np.zeros(len(column), dtype=np.bool_)
    first, last = data[np.minimum(ends[:-1], len(data) - 1)], data[np.maximum(ends[1:] - 1, 0)]
    odd = (first <= _SPACE) | (last <= _SPACE)
    if apostrophe:
        odd |= first == _APOSTROPHE
    odd &= ends[1:] > ends[:-1]
    if data[ends[0] : ends[-1]].max(initial=0) > _ASCII:
        odd |= ~_flags(pc.string_is_ascii(column))
    return odd


def _bytes(column: Texts) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Where the texts of a column end, the first of them after the start of the first, and the bytes that hold them."""
    _, ends, data = column.buffers()
    if not len(column) or ends is None or data is None or not data.size:
        return np.zeros(len(column) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    places = np.frombuffer(memoryview(ends), dtype=np.int32)[column.offset :]
    return places[: len(column) + 1], np.frombuffer(memoryview(data), dtype=np.uint8)


def ids(column: Column) -> Texts:
    """Texts that are looked up by: one that is longer than `LONGEST_ID` ends in a digest of the whole, as an index needs."""
    column = plain(texts(column))
    if (pc.max(pc.binary_length(column)).as_py() or 0) <= LONGEST_ID:
        return column
    long = _flags(pc.greater(pc.utf8_length(column), pa.scalar(LONGEST_ID, pa.int32())))
    shortened = [_short_id(str(column[int(place)])) for place in np.flatnonzero(long)]
    return cast(Texts, pc.replace_with_mask(column, pa.array(long), pa.array(shortened, pa.string())))


def _short_id(text: str) -> str:
    return f"{text[: LONGEST_ID - 33]}…{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _trimmed(column: Texts, *, apostrophe: bool = False) -> Texts:
    column = pc.utf8_trim_whitespace(column)
    if apostrophe:
        column = pc.utf8_trim_whitespace(pc.replace_substring_regex(column, r"\A['’]", ""))
    if not _flags(pc.string_is_ascii(column)).all():
        column = cast(Texts, pc.call_function("utf8_normalize", [column], pc.Utf8NormalizeOptions("NFC")))
    return cast(Texts, pc.if_else(pc.not_equal(column, pa.scalar("")), column, NO_TEXT))


def encoded(column: Column) -> tuple[Texts, Integers]:
    """The distinct values, a null among them if there is one, and each row's place among them."""
    known = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    words, places = cast(Texts, known.dictionary), cast(pa.Int32Array, known.indices)
    if places.null_count:
        places = cast(pa.Int32Array, places.fill_null(len(words)))
        words = pa.concat_arrays([words, pa.nulls(1, pa.string())])
    return words, _integers(places)


def _flags(values: pa.BooleanArray) -> Flags:
    filled = values.fill_null(False) if values.null_count else values
    return np.array(filled, dtype=np.bool_)


def _integers(values: pa.Int64Array | pa.Int32Array) -> Integers:
    filled = values.fill_null(0) if values.null_count else values
    return np.array(filled, dtype=np.int64)


# Addresses

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_ORDINARY_EMAIL = rf"\A{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[a-z]{{2,}}\z"
_SPECIAL_DOMAIN = r"\.(?:arpa|invalid|local|localhost|onion)\z"
_ORDINARY_LENGTH = 64
_LONGEST_EMAIL = 254


def emails(column: Column) -> Emails:
    """Addresses, trimmed and lower-cased; ordinary ASCII ones by a pattern, the others by email-validator's rules."""
    written = plain(texts(column))
    filled = _flags(written.is_valid())
    lowered = pc.ascii_lower(written)
    ordinary = _flags(pc.match_substring_regex(lowered, _ORDINARY_EMAIL))
    ordinary &= ~_flags(pc.match_substring_regex(lowered, _SPECIAL_DOMAIN))
    ordinary &= _flags(pc.less_equal(pc.binary_length(lowered), pa.scalar(_ORDINARY_LENGTH, pa.int32())))
    odd = pa.array(filled & ~ordinary)
    distinct, places = encoded(pc.filter(written, odd))
    if len(distinct):
        mended = pa.array([_odd_email(str(text)) for text in distinct], pa.string())
        lowered = pc.replace_with_mask(lowered, odd, mended.take(pa.array(places, pa.int64())))
    return Emails(lowered, filled, _flags(lowered.is_valid()))


@lru_cache(maxsize=4096)
def _odd_email(text: str) -> str | None:
    address = unicodedata.normalize("NFC", text.lower())
    return address if is_email(address) else None


def is_email(address: str) -> bool:
    """Whether email-validator takes the address, without asking the network; `*.test` passes."""
    if "@" not in address or len(address) > _LONGEST_EMAIL:
        return False
    from email_validator import validate_email  # most files have no address that needs it

    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except ValueError:
        return False
    return True


# Amounts and counts

_GROUP = "[ \u00a0\u202f]"
_SPACED = rf"\d{{1,3}}(?:{_GROUP}\d{{3}})+|\d+"
_COMMA = re.compile(rf"(-?)({_SPACED}|\d{{1,3}}(?:\.\d{{3}})+)(?:,(\d{{1,2}}))?", re.ASCII)
_POINT = re.compile(rf"(-?)({_SPACED}|\d{{1,3}}(?:,\d{{3}})+)(?:\.(\d{{1,2}}))?", re.ASCII)
_AMBIGUOUS = re.compile(r"-?\d{1,3}(?:[.,]\d{3})+", re.ASCII)
_DOLLAR = re.compile(rf"{_GROUP}?\$\Z")
_LARGEST_DIGITS = 10
CENTS_LIMIT = 100 * 10**_LARGEST_DIGITS
"""No amount comes to so many cents."""
_ORDINARY_AMOUNT = {
    "auto": r"\A-?[0-9]{1,10}(?:[.,][0-9]{1,2})?\z",
    "comma": r"\A-?[0-9]{1,10}(?:,[0-9]{1,2})?\z",
    "point": r"\A-?[0-9]{1,10}(?:\.[0-9]{1,2})?\z",
}
_ORDINARY_COUNT = r"\A[0-9]{1,9}(?:[.,]0{1,2})?\z"


def amounts(column: Column, mark: Literal["auto", "comma", "point"]) -> Numbers:
    """Amounts in cents: `160,00`, `160.00`, `1 234,50`, `1.234,50`, `160 $`; at most 10 digits before the mark.

    `mark` says what separates the cents.  With `auto` either may, and a lone `1,234` or `1.234` is unreadable: it is
    ambiguous.
    """
    written, places = encoded(column)
    distinct = _trimmed(written)
    plain = pc.match_substring_regex(distinct, _ORDINARY_AMOUNT[mark])
    exact = pc.replace_substring(pc.if_else(plain, distinct, NO_TEXT), ",", ".")
    decimals = pc.cast(exact, pa.decimal128(14, 2))
    values = _integers(pc.cast(pc.multiply(decimals, pa.scalar(100, pa.decimal128(3, 0))), pa.int64()))
    valid = _flags(plain)
    for place in np.flatnonzero(~valid & _flags(distinct.is_valid())):
        cents = _odd_amount(str(distinct[int(place)]), mark)
        if cents is not None:
            values[place], valid[place] = cents, True
    return Numbers(values[places], valid[places])


def _odd_amount(text: str, mark: str) -> int | None:
    text = _DOLLAR.sub("", text)
    if mark == "auto" and _AMBIGUOUS.fullmatch(text):
        return None
    patterns = {"comma": (_COMMA,), "point": (_POINT,)}.get(mark, (_COMMA, _POINT))
    for pattern in patterns:
        if found := pattern.fullmatch(text):
            whole = re.sub(r"\D", "", found[2])
            if len(whole) > _LARGEST_DIGITS:
                return None
            cents = int(whole) * 100 + int((found[3] or "0").ljust(2, "0"))
            return -cents if found[1] else cents
    return None


def counts(column: Column) -> Numbers:
    """Numbers of tickets: whole and not negative, `2`, `2,0` and `2.00`; zero is a value."""
    written, places = encoded(column)
    distinct = _trimmed(written)
    plain = pc.match_substring_regex(distinct, _ORDINARY_COUNT)
    whole = pc.replace_substring_regex(pc.if_else(plain, distinct, NO_TEXT), r"[.,]0+\z", "")
    return Numbers(_integers(pc.cast(whole, pa.int64()))[places], _flags(plain)[places])


# Dates

_VALID_DAY = (
    "[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_VALID_TIME = "[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
_ORDINARY_LOCAL = rf"\A{_VALID_DAY}(?:{_VALID_TIME})?\z"
_ORDINARY_OFFSET = rf"\A{_VALID_DAY}{_VALID_TIME}(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])\z"
_ANY_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?: ?(Z|[+-]\d{2}(?::?\d{2})?))?)?",
    re.ASCII | re.IGNORECASE,
)
_DAY_FIRST = r"\A([0-9]{2})%s([0-9]{2})%s([0-9]{4})"
_WRITTEN = {  # format -> what its dates look like once their numbers have two digits, and the same as ISO
    "iso": (r"\A([0-9]{4})-([0-9]{2})-([0-9]{2})", r"\1-\2-\3"),
    "YYYY/MM/DD": (r"\A([0-9]{4})/([0-9]{2})/([0-9]{2})", r"\1-\2-\3"),
    "DD/MM/YYYY": (_DAY_FIRST % ("/", "/"), r"\3-\2-\1"),
    "MM/DD/YYYY": (_DAY_FIRST % ("/", "/"), r"\3-\1-\2"),
    "DD-MM-YYYY": (_DAY_FIRST % ("-", "-"), r"\3-\2-\1"),
    "DD.MM.YYYY": (_DAY_FIRST % (r"\.", r"\."), r"\3-\2-\1"),
}
_PADDING = (  # one digit to two, for the day and the month where a format lets them be short
    (r"\A([0-9])([/.-])", r"0\1\2"),
    (r"\A([0-9]+[/.-])([0-9])([/.-])", r"\10\2\3"),
    (r"\A([0-9]{4}/[0-9]{2}/)([0-9])(\z|[ T])", r"\10\2\3"),
)


_DAY_WIDTH, _WALL_WIDTH = len("2026-03-14"), len("2026-03-14 10:15:00")
_WALL_MARKS = {0: b"12", 4: b"-", 7: b"-", 10: b" T", 13: b":", 16: b":"}


def moments(column: Column, formats: Sequence[str], zone: ZoneInfo) -> Moments:
    """Instants written in one of `formats`, with or without a time; without an offset they are local times of `zone`.

    An hour that happens twice is its first occurrence; one that is skipped is an hour later.
    """
    if column.null_count == len(column):
        return Moments.none(len(column))
    places = None
    written = column
    if isinstance(column, pa.DictionaryArray):
        written, places = encoded(column)
    walls = _ordinary_walls(cast(Texts, written)) if "iso" in formats else None
    if walls is not None:
        every = np.ones(len(walls), dtype=np.bool_)
        told = _moments(np.zeros_like(walls), walls, ~every, zone, every)
    else:
        written, places = encoded(column)
        told = _moments_of(_trimmed(written), formats, zone)
    return told if places is None else told.at(places)


def _moments_of(distinct: Texts, formats: Sequence[str], zone: ZoneInfo) -> Moments:
    """The same of trimmed texts, null where blank."""
    iso = _as_iso(distinct, formats)
    filled = _flags(distinct.is_valid())
    local = _flags(pc.match_substring_regex(iso, _ORDINARY_LOCAL))
    offset = np.zeros_like(local)
    if not np.array_equal(local, filled):
        offset = _flags(pc.match_substring_regex(iso, _ORDINARY_OFFSET))
    wall = _cast(iso, local, pa.timestamp("us"))
    utc = _cast(iso, offset, pa.timestamp("us", tz="UTC"))
    valid = local | offset
    for place in np.flatnonzero(~valid & _flags(iso.is_valid())):
        found = _odd_date(str(iso[int(place)]))
        if found is not None:
            value, has_offset = found
            (utc if has_offset else wall)[place] = value
            (offset if has_offset else local)[place] = True
            valid[place] = True
    told = _moments(utc, wall, offset, zone, valid)
    return Moments(np.where(told.valid, told.utc, 0), np.where(told.valid, told.local, 0), filled, told.valid)


def _moments(utc: Integers, wall: Integers, offset: Flags, zone: ZoneInfo, valid: Flags) -> Moments:
    """Instants in both clocks, from `utc` where an offset was written and from `wall` elsewhere."""
    known = np.where(offset, utc, wall)
    known = (
        np.where(valid, known, known[np.argmax(valid)]) if len(known) else known
    )  # 1970 would be far from the others
    utc = np.where(offset, known, known - _offsets(known, zone, _offset_of_wall))
    wall = utc + _offsets(utc, zone, _offset_of_utc)
    return Moments(utc, wall, valid, valid & (wall >= _FIRST) & (wall <= _LAST))


def _ordinary_walls(column: Texts) -> Integers | None:
    """Local times, if every value is written `2026-03-14 10:15:00`, or every one `2026-03-14`; None if one is not."""
    if not len(column) or column.null_count:
        return None
    ends, data = _bytes(column)
    width = int(ends[1] - ends[0])
    if width not in {_DAY_WIDTH, _WALL_WIDTH} or np.any(np.diff(ends) != width):
        return None
    held = data[ends[0] : ends[-1]].reshape(-1, width)
    for place, accepted in _WALL_MARKS.items():
        if place < width and not np.isin(held[:, place], list(accepted)).all():
            return None
    try:
        return _integers(cast(pa.Int64Array, column.cast(pa.timestamp("us")).cast(pa.int64())))
    except pa.ArrowInvalid:
        return None


def joined(day: Column, time: Column) -> Texts:
    """A column of dates and one of times as one column; `19h30` is a time too, a blank time is midnight."""
    day, time = plain(texts(day)), plain(texts(time))
    time = pc.replace_substring_regex(time, r"\A([0-9]{1,2}) ?[hH] ?([0-9]{2})\z", r"\1:\2")
    time = pc.replace_substring_regex(time, r"\A([0-9]{1,2}) ?[hH]\z", r"\1:00")
    time = pc.replace_substring_regex(time, r"\A([0-9]):", r"0\1:")
    blanks = pa.repeat(" ", len(day))
    return cast(Texts, pc.if_else(time.is_valid(), pc.binary_join_element_wise(day, time, blanks), day))


def _as_iso(distinct: Texts, formats: Sequence[str]) -> Texts:
    """The values that may be written in one of `formats`, as ISO dates; null for the others."""
    if tuple(formats) == ("iso",):
        return distinct
    iso = pa.nulls(len(distinct), pa.string())
    for name in formats:
        pattern, rewritten = _WRITTEN[name]
        padded = distinct
        for unpadded, two_digits in _PADDING if name != "iso" else ():
            padded = pc.replace_substring_regex(padded, unpadded, two_digits)
        fits = pc.match_substring_regex(padded, pattern)
        iso = pc.if_else(fits, pc.replace_substring_regex(padded, pattern, rewritten), iso)
    return iso


def _cast(iso: Texts, chosen: Flags, kind: pa.DataType) -> Integers:
    values = pc.if_else(pa.array(chosen), iso, NO_TEXT)
    return _integers(cast(pa.Int64Array, values.cast(kind).cast(pa.int64())))


def _odd_date(text: str) -> tuple[int, bool] | None:
    """Microseconds since 1970, and whether they are UTC (an offset was written) or the wall's."""
    found = _ANY_DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, int((found[7] or "").ljust(6, "0")[:6]))
    except ValueError:
        return None
    value = (moment - EPOCH) // timedelta(microseconds=1)
    if found[8] is None:
        return value, False
    digits = re.sub(r"\D", "", found[8]).ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours >= 24 or minutes >= 60:
        return None
    shift = (hours * 3600 + minutes * 60) * SECOND
    return value + (shift if found[8].startswith("-") else -shift), True


OffsetOf = Callable[[int, ZoneInfo], int]


def _offsets(values: Integers, zone: ZoneInfo, offset_of: OffsetOf) -> Integers:
    """The zone's offset at each value: asked once a day, and once a value on the days on which it changes."""
    if not len(values):
        return values
    days = values // DAY
    first, last = int(days.min()) // _PAGE, int(days.max()) // _PAGE
    if last - first < _PAGES:
        at_start, at_end = _offsets_of_days(first, last, zone, offset_of)
        places = days - first * _PAGE
    else:
        known, places = np.unique(days, return_inverse=True)
        found = [_offsets_of_day(day, zone, offset_of) for day in known.tolist()]
        at_start, at_end = np.array(found, dtype=np.int64).reshape(-1, 2).T
    offsets = at_start[places]
    changing = np.flatnonzero((at_start != at_end)[places])
    if len(changing):
        odd, where = np.unique(values[changing], return_inverse=True)
        offsets[changing] = np.array([offset_of(int(value), zone) for value in odd], dtype=np.int64)[where]
    return offsets


_PAGE, _PAGES = 64, 256
"""Days that are asked about together, and the most such spans (45 years) that the dates of a block lie in as a rule."""


@lru_cache(maxsize=64)
def _offsets_of_days(first: int, last: int, zone: ZoneInfo, offset_of: OffsetOf) -> tuple[Integers, Integers]:
    """The offsets at the start and at the end of the days of these pages."""
    pages = np.concatenate([_offsets_of_page(page, zone, offset_of) for page in range(first, last + 1)])
    return np.ascontiguousarray(pages[:, 0]), np.ascontiguousarray(pages[:, 1])


@lru_cache(maxsize=4 * _PAGES)
def _offsets_of_page(page: int, zone: ZoneInfo, offset_of: OffsetOf) -> Integers:
    days = range(page * _PAGE, (page + 1) * _PAGE + 1)
    starts = np.array([offset_of(day * DAY, zone) for day in days], dtype=np.int64)
    return np.stack([starts[:-1], starts[1:]], axis=1)  # the next day's start will do for the end


def _offsets_of_day(day: int, zone: ZoneInfo, offset_of: OffsetOf) -> tuple[int, int]:
    return offset_of(day * DAY, zone), offset_of(day * DAY + DAY - 1, zone)


def _offset_of_wall(value: int, zone: ZoneInfo) -> int:
    return _microseconds((EPOCH + timedelta(microseconds=_within(value))).replace(tzinfo=zone))


def _offset_of_utc(value: int, zone: ZoneInfo) -> int:
    return _microseconds((EPOCH + timedelta(microseconds=_within(value))).replace(tzinfo=UTC).astimezone(zone))


def _within(value: int) -> int:
    return min(max(value, _FIRST), _LAST)


def _microseconds(moment: datetime) -> int:
    return (moment.utcoffset() or timedelta()) // timedelta(microseconds=1)
