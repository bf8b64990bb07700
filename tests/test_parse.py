"""Columns of text become exact values, or are told to be unreadable."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import parse

TORONTO = ZoneInfo("America/Toronto")
ZONES = st.sampled_from(
    ["America/Toronto", "America/St_Johns", "Europe/Paris", "UTC", "Pacific/Auckland", "America/Havana"]
)


def amount(text: str, mark: str = "auto") -> int | None:
    numbers = parse.amounts(pa.array([text]), mark)  # type: ignore[arg-type]
    return int(numbers.values[0]) if numbers.valid[0] else None


def number(text: str) -> int | None:
    numbers = parse.counts(pa.array([text]))
    return int(numbers.values[0]) if numbers.valid[0] else None


def instant(text: str, *formats: str, zone: ZoneInfo = TORONTO) -> str | None:
    moments = parse.moments(pa.array([text]), formats or ("iso",), zone)
    if not moments.valid[0]:
        return None
    return (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moments.utc[0])))
        .isoformat()
        .replace("+00:00", "Z")
    )


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("160,00", 16000),
        ("160.00", 16000),
        ("160", 16000),
        ("160,5", 16050),
        ("0", 0),
        ("0,00", 0),
        ("-12,50", -1250),
        ("-0,05", -5),
        ("1 234,50", 123450),
        ("1\u00a0234,50", 123450),
        ("1\u202f234.50", 123450),
        ("1 234 567", 123456700),
        ("1,234.50", 123450),
        ("1.234,50", 123450),
        ("12.345.678,9", 1234567890),
        ("160,00 $", 16000),
        ("160,00$", 16000),
        ("160,00\u00a0$", 16000),
        ("-1 234,50\u202f$", -123450),
        ("  160,00  ", 16000),
        ("9999999999,99", 999999999999),
    ],
)
def test_an_amount_is_read_to_the_cent(text: str, cents: int) -> None:
    assert amount(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "$",
            "-",
            "1,234",
            "1.234",
            "-1,234",
            "12.345",
            "1,234,567",
            "1234,567",
            "160,",
            ",50",
            ".5",
            "160,000",
        ),
        *(
            "1 23",
            "12 34,00",
            "1 2345",
            "1.23.456,00",
            "1,234,50",
            "1.234.50",
            "$160",
            "160 CAD",
            "abc",
            "1e3",
            "--5",
            "+5",
        ),
        *("(5)", "5-", "- 5", "NaN", "inf", "0x10", "١٦٠", "160,00 $ $", "99999999999", "1  234", "160;00", "1'234"),
    ],
)
def test_an_amount_that_is_ambiguous_or_misshapen_is_bad(text: str) -> None:
    assert amount(text) is None


@pytest.mark.parametrize(
    ("text", "mark", "cents"),
    [
        ("1.234", "comma", 123400),
        ("1.234,5", "comma", 123450),
        ("160.00", "comma", None),
        ("1,234", "comma", None),
        ("1,234", "point", 123400),
        ("1,234,567.8", "point", 123456780),
        ("160,00", "point", None),
        ("1.234", "point", None),
    ],
)
def test_a_declared_decimal_mark_settles_what_is_ambiguous(text: str, mark: str, cents: int | None) -> None:
    assert amount(text, mark) == cents


@given(
    cents=st.integers(-999_999_999_999, 999_999_999_999),
    mark=st.sampled_from(",."),
    group=st.sampled_from(["", " ", "\u00a0", "\u202f", "other"]),
    suffix=st.sampled_from(["", "$", " $", "\u00a0$"]),
)
def test_every_way_of_writing_an_amount_gives_the_decimal_that_was_meant(
    cents: int, mark: str, group: str, suffix: str
) -> None:
    separator = {",": ".", ".": ","}[mark] if group == "other" else group
    plain = f"{abs(Decimal(cents)) / 100:,.2f}"
    text = plain.replace(".", "@").replace(",", separator).replace("@", mark)
    assert amount(("-" if cents < 0 else "") + text + suffix) == cents


@given(st.text(alphabet="0123456789,. -$\u00a0", max_size=12))
def test_no_amount_is_read_otherwise_than_decimal_reads_it(text: str) -> None:
    cents = amount(text)
    if cents is None:
        return
    bare = re.sub(r"[\s$]", "", text)
    marks = [place for place, character in enumerate(bare) if character in ",."]
    if marks and len(bare) - marks[-1] - 1 <= 2:
        bare = bare[: marks[-1]].replace(",", "").replace(".", "") + "." + bare[marks[-1] + 1 :]
    try:
        assert Decimal(bare) * 100 == cents
    except InvalidOperation:
        pytest.fail("an amount was read that is no number")


@pytest.mark.parametrize(("text", "count"), [("2", 2), ("2,0", 2), ("2.00", 2), ("0", 0), (" 12 ", 12), ("007", 7)])
def test_a_count_is_a_whole_number(text: str, count: int) -> None:
    assert number(text) == count


@pytest.mark.parametrize("text", ["", "-1", "1,5", "2,000", "2.", "1 000", "deux", "1e2", "+2", "٢", "9999999999"])
def test_a_count_that_is_blank_negative_or_fractional_is_bad(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-15", "2026-01-15T05:00:00Z"),
        ("2026-01-15 19:30", "2026-01-16T00:30:00Z"),
        ("2026-07-15T19:30:05", "2026-07-15T23:30:05Z"),
        (" 2026-07-15 19:30:05 ", "2026-07-15T23:30:05Z"),
        ("2026-07-15T19:30:05Z", "2026-07-15T19:30:05Z"),
        ("2026-07-15T19:30:05z", "2026-07-15T19:30:05Z"),
        ("2026-07-15T19:30Z", "2026-07-15T19:30:00Z"),
        ("2026-07-15 19:30:05+00:00", "2026-07-15T19:30:05Z"),
        ("2026-07-15T19:30:05-0500", "2026-07-16T00:30:05Z"),
        ("2026-07-15T19:30:05-05", "2026-07-16T00:30:05Z"),
        ("2026-07-15T19:30:05 +05:30", "2026-07-15T14:00:05Z"),
        ("2026-07-15T19:30:05.25-05:00", "2026-07-16T00:30:05.250000Z"),
        ("2026-07-15T19:30:05.1234567Z", "2026-07-15T19:30:05.123456Z"),
        ("2024-02-29 12:00", "2024-02-29T17:00:00Z"),
        ("2025-11-02 01:30", "2025-11-02T05:30:00Z"),  # happens twice: the first
        ("2025-11-02T01:30-05:00", "2025-11-02T06:30:00Z"),
        ("2026-03-08 02:30", "2026-03-08T07:30:00Z"),  # skipped: an hour later
        ("0999-12-31", "0999-12-31T05:17:32Z"),
    ],
)
def test_a_date_is_an_instant_of_the_account(text: str, utc: str) -> None:
    assert instant(text) == utc


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2026-02-29",
            "2026-02-30",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "0000-01-01",
            "0000-00-00",
            "26-01-15",
        ),
        *(
            "2026-1-5",
            "2026/01/15",
            "15/01/2026",
            "20260115",
            "2026-W03-4",
            "2026-01-15 24:00",
            "2026-01-15 19:60",
            "demain",
        ),
        *(
            "2026-01-15 19",
            "2026-01-15 19:30:61",
            "2026-01-15 9:30",
            "2026-01-15T19:30+24:00",
            "2026-01-15T19:30+05:99",
        ),
        *("2026-01-15Z", "2026-01-15  19:30", "2026-01-15T", "２026-01-15", "46022", "0001-01-01"),
    ],
)
def test_a_date_that_is_none_is_bad(text: str) -> None:
    assert instant(text) is None


@pytest.mark.parametrize(
    ("text", "written", "utc"),
    [
        ("15/01/2026", "DD/MM/YYYY", "2026-01-15T05:00:00Z"),
        ("5/1/2026 19:30", "DD/MM/YYYY", "2026-01-06T00:30:00Z"),
        ("01/15/2026", "MM/DD/YYYY", "2026-01-15T05:00:00Z"),
        ("15-01-2026", "DD-MM-YYYY", "2026-01-15T05:00:00Z"),
        ("5.1.2026", "DD.MM.YYYY", "2026-01-05T05:00:00Z"),
        ("2026/1/5", "YYYY/MM/DD", "2026-01-05T05:00:00Z"),
        ("2026/01/05 10:00:00", "YYYY/MM/DD", "2026-01-05T15:00:00Z"),
        ("2026-01-15", "DD/MM/YYYY", None),
        ("31/04/2026", "DD/MM/YYYY", None),
        ("15/01/2026", "MM/DD/YYYY", None),
        ("15/01/26", "DD/MM/YYYY", None),
    ],
)
def test_other_ways_of_writing_a_date_are_read_when_declared(text: str, written: str, utc: str | None) -> None:
    assert instant(text, written) == utc


def test_several_declared_ways_are_read_side_by_side() -> None:
    moments = parse.moments(pa.array(["2026-01-15", "15/01/2026", "15.01.2026"]), ("iso", "DD/MM/YYYY"), TORONTO)
    assert moments.valid.tolist() == [True, True, False]
    assert moments.days[0] == moments.days[1]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), ZONES)
def test_a_local_time_is_read_as_the_zone_tells_it(moment: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    moment = moment.replace(microsecond=0)
    moments = parse.moments(pa.array([moment.isoformat(" ")]), ("iso",), zone)
    expected = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
    assert int(moments.utc[0]) == (expected - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert int(moments.local[0]) == (expected.astimezone(zone).replace(tzinfo=None) - parse.EPOCH) // timedelta(
        microseconds=1
    )


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), st.integers(-14 * 60, 14 * 60), ZONES)
def test_a_time_with_an_offset_is_that_instant_whatever_the_zone(
    moment: datetime, minutes: int, zone_name: str
) -> None:
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{moment.isoformat()}{sign}{size // 60:02}:{size % 60:02}"
    moments = parse.moments(pa.array([text]), ("iso",), ZoneInfo(zone_name))
    expected = moment.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    assert int(moments.utc[0]) == (expected - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    local_day = expected.astimezone(ZoneInfo(zone_name)).date()
    assert int(moments.days[0]) == (local_day - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("day", "time", "together"),
    [
        ("2026-01-15", "19:30", "2026-01-15 19:30"),
        ("2026-01-15", "9:05", "2026-01-15 09:05"),
        ("2026-01-15", "19h30", "2026-01-15 19:30"),
        ("2026-01-15", "19 H 30", "2026-01-15 19:30"),
        ("2026-01-15", "20 h", "2026-01-15 20:00"),
        ("2026-01-15", "", "2026-01-15"),
        ("", "19:30", None),
    ],
)
def test_a_date_and_a_time_in_two_columns_are_one_instant(day: str, time: str, together: str | None) -> None:
    assert parse.joined(pa.array([day]), pa.array([time])).to_pylist() == [together]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("  Amelie.Gagnon@Exemple.TEST ", "amelie.gagnon@exemple.test"),
        ("\u00a0jean+billets@exemple.ca", "jean+billets@exemple.ca"),
        ("o'neil@exemple.ca", "o'neil@exemple.ca"),
        ("zoé@exemple.ca", "zoé@exemple.ca"),
        ("ZOE\u0301@exemple.ca", "zoé@exemple.ca"),
        ("a@sous.domaine.exemple.org", "a@sous.domaine.exemple.org"),
    ],
)
def test_an_address_is_trimmed_and_lower_cased(written: str, address: str) -> None:
    emails = parse.emails(pa.array([written]))
    assert emails.values.to_pylist() == [address]
    assert emails.valid.tolist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "nope",
            "a@b",
            "a@@exemple.ca",
            "@exemple.ca",
            "a@exemple..ca",
            ".a@exemple.ca",
            "a..b@exemple.ca",
            "a b@exemple.ca",
        ),
        *(
            "Jean <jean@exemple.ca>",
            "a@-exemple.ca",
            "a@exemple.local",
            "a@localhost",
            "a@exemple.invalid",
            "a@[127.0.0.1]",
        ),
        *(
            "a@exemple.ca;b@exemple.ca",
            "a@ex_emple.ca",
            "x" * 250 + "@exemple.ca",
            "a@exemple.c1",
            "mailto:a@exemple.ca,",
        ),
    ],
)
def test_a_malformed_address_is_bad(text: str) -> None:
    emails = parse.emails(pa.array([text]))
    assert emails.values.to_pylist() == [None]
    assert (emails.filled.tolist(), emails.valid.tolist()) == ([True], [False])


ADDRESS_PARTS = st.text(alphabet="abcxyz019.-_+'é!", min_size=1, max_size=12)
DOMAINS = st.text(alphabet="abxn-019.", min_size=1, max_size=20).flatmap(
    lambda stem: st.sampled_from(["ca", "test", "local", "onion", "arpa", "c", "x1", "invalid", "xn--p1ai"]).map(
        lambda end: f"{stem}.{end}"
    )
)


@given(st.lists(st.one_of(st.builds("{}@{}".format, ADDRESS_PARTS, DOMAINS), st.text(max_size=20)), max_size=8))
def test_addresses_are_judged_as_email_validator_judges_them(texts: list[str]) -> None:
    emails = parse.emails(pa.array(texts, pa.string()))
    for text, value, filled, valid in zip(texts, emails.values.to_pylist(), emails.filled, emails.valid, strict=True):
        trimmed = parse.texts(pa.array([text])).to_pylist()[0]
        assert filled == (trimmed is not None)
        assert valid == (trimmed is not None and parse.is_email(trimmed.lower()))
        assert (value is not None) == valid


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("  été \u00a0", "été"),
        ("e\u0301te\u0301", "été"),
        ("", None),
        (" \t\u202f", None),
        ("00123", "00123"),
        ("'x", "'x"),
    ],
)
def test_a_text_is_trimmed_and_composed_and_null_when_empty(written: str, text: str | None) -> None:
    assert parse.texts(pa.array([written])).to_pylist() == [text]


@pytest.mark.parametrize(
    ("written", "text"),
    [("'0145550199", "0145550199"), ("’Luc", "Luc"), ("D'Amours", "D'Amours"), ("'", None), ("' x", "x")],
)
def test_a_leading_apostrophe_is_taken_off_when_asked(written: str, text: str | None) -> None:
    assert parse.texts(pa.array([written]), apostrophe=True).to_pylist() == [text]


def test_empty_columns_give_empty_values() -> None:
    none = pa.array([], pa.string())
    assert len(parse.amounts(none, "auto").values) == len(parse.counts(none).values) == 0
    assert (
        len(parse.emails(none).values) == len(parse.moments(none, ("iso",), TORONTO).utc) == len(parse.texts(none)) == 0
    )
