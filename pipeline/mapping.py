"""A mapping: how one box office's export says what a line is, in a checked and typed TOML file (docs/mappings.md).

Column names are compared without case, accents and surrounding blanks.  Where a header holds a name twice, its second
occurrence is `name#2`.  Every problem of a file is told at once, with the key and what would be accepted.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError

Operation = Literal["purchase", "cancellation"]
DecimalMark = Literal["auto", "comma", "point"]
DateFormat = Literal["iso", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY", "DD.MM.YYYY", "YYYY/MM/DD"]
TextField = Literal[
    "contact_id",
    "first_name",
    "last_name",
    "company",
    "company_2",
    "phone",
    "city",
    "postal_code",
    "show_id",
    "show_title",
    "performance_id",
    "sales_channel",
    "report_category_1",
    "report_category_2",
    "report_category_3",
    "price_category",
    "price_internal_name",
    "price_group",
]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALWAYS = ("transaction_id", "transaction_at", "email", "performance_start", "show_title")
_TIMES = ("transaction_time", "performance_start_time", "performance_end_time")


def normalise(name: str) -> str:
    """A column's name or a word of a vocabulary, as they are compared: no case, no accents, single blanks."""
    decomposed = unicodedata.normalize("NFKD", name.replace("\ufeff", ""))
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(plain.casefold().split())


def _words(value: object) -> object:
    """One word or a list of them, as a tuple; anything else is left for pydantic to refuse."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Name = Annotated[str, Field(min_length=1, pattern=r"\S")]
Names = Annotated[tuple[Name, ...], BeforeValidator(_words)]


class Section(BaseModel):
    """A table of a mapping file: unknown keys are errors, values are never guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Columns(Section):
    """[columns]: for each thing that a line says, the names its column may have; the first that is there is read."""

    transaction_id: Names = ()
    transaction_at: Names = ()
    transaction_time: Names = ()
    initial_transaction_date: Names = ()
    contact_id: Names = ()
    email: Names = ()
    first_name: Names = ()
    last_name: Names = ()
    company: Names = ()
    company_2: Names = ()
    phone: Names = ()
    city: Names = ()
    postal_code: Names = ()
    client_created_on: Names = ()
    show_id: Names = ()
    show_title: Names = ()
    performance_id: Names = ()
    performance_start: Names = ()
    performance_start_time: Names = ()
    performance_end: Names = ()
    performance_end_time: Names = ()
    sales_channel: Names = ()
    report_category_1: Names = ()
    report_category_2: Names = ()
    report_category_3: Names = ()
    price_category: Names = ()
    price_internal_name: Names = ()
    price_group: Names = ()
    tickets: Names = ()
    net_amount: Names = ()
    unit_price: Names = ()

    def of(self, field: str) -> tuple[str, ...]:
        """The names that the column of `field` may have, compared form; empty when the mapping does not know it."""
        names: tuple[str, ...] = getattr(self, field)
        return tuple(normalise(name) for name in names)


class Roles(Section):
    """[operation.roles]: the operation of a file without an operation column, by the file's role."""

    purchases: Operation | None = None
    cancellations: Operation | None = None
    transactions: Operation | None = None
    backfill: Operation | None = None


class Operations(Section):
    """[operation]: how a line says whether it is a purchase or a cancellation."""

    column: Names = ()
    purchase: Names = ()
    cancellation: Names = ()
    ignore: Names = ()
    roles: Roles = Roles()

    def of_role(self, role: str) -> Operation | None:
        """What a file of `role` holds when the column is not there; None: the column must be there."""
        return getattr(self.roles, role) if role in Roles.model_fields else None

    def vocabulary(self) -> dict[str, str]:
        """Compared form of every word -> `purchase`, `cancellation` or `ignore`."""
        kinds = {"purchase": self.purchase, "cancellation": self.cancellation, "ignore": self.ignore}
        return {normalise(word): kind for kind, words in kinds.items() for word in words}


class Mapping(Section):
    """A whole mapping file."""

    title: str = ""
    snapshot: bool = False
    one_ticket_per_line: bool = False
    decimal: DecimalMark = "auto"
    dates: Annotated[tuple[DateFormat, ...], BeforeValidator(_words), Field(min_length=1)] = ("iso",)
    strip_apostrophe: Annotated[tuple[TextField, ...], BeforeValidator(_words)] = ()
    required: Annotated[tuple[TextField, ...], BeforeValidator(_words)] = ()
    columns: Columns
    operation: Operations

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the mapping says; comments, order and spelling of the file do not count."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def required_fields(self) -> tuple[str, ...]:
        """The fields whose column must exist in a file; the operation's column is judged by the file's role."""
        counted = () if self.one_ticket_per_line else ("tickets",)
        priced = ("net_amount",) if self.columns.net_amount else ("unit_price",)
        apart = tuple(field for field in _TIMES if self.columns.of(field))
        return tuple(dict.fromkeys((*_ALWAYS, *apart, *counted, *priced, *self.required)))

    @model_validator(mode="after")
    def _consistent(self) -> Mapping:
        problems = [*self._missing_columns(), *self._bad_operation(), *self._bad_dates()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _missing_columns(self) -> list[str]:
        problems = [
            f'columns.{field} is missing; accepted: "NAME" or ["NAME", "OTHER NAME"]'
            for field in dict.fromkeys((*_ALWAYS, *self.required))
            if not self.columns.of(field)
        ]
        if bool(self.columns.tickets) == self.one_ticket_per_line:
            problems.append("columns.tickets: accepted: the count's column, or one_ticket_per_line = true, not both")
        if bool(self.columns.net_amount) == bool(self.columns.unit_price):
            problems.append(
                "columns.net_amount: accepted: net_amount (the line's total) or unit_price (one ticket's), not both"
            )
        for time, day in (
            ("transaction_time", "transaction_at"),
            ("performance_start_time", "performance_start"),
            ("performance_end_time", "performance_end"),
        ):
            if self.columns.of(time) and not self.columns.of(day):
                problems.append(f"columns.{time}: accepted together with columns.{day}")
        return problems

    def _bad_operation(self) -> list[str]:
        operation, problems = self.operation, []
        words = [normalise(word) for word in (*operation.purchase, *operation.cancellation, *operation.ignore)]
        if len(set(words)) != len(words):
            problems.append("operation: a word is accepted once only among purchase, cancellation and ignore")
        if operation.column and not operation.purchase:
            problems.append('operation.purchase is missing; accepted: the words of a purchase, such as ["ACHAT"]')
        if words and not operation.column:
            problems.append("operation.column is missing; accepted: the column in which the words stand")
        if not operation.column and not any(operation.of_role(role) for role in Roles.model_fields):
            problems.append("operation: accepted: a column with its words, or roles, or both")
        return problems

    def _bad_dates(self) -> list[str]:
        if {"DD/MM/YYYY", "MM/DD/YYYY"} <= set(self.dates):
            return ["dates: accepted: one of DD/MM/YYYY and MM/DD/YYYY; together they are ambiguous"]
        return []


def load(path: Path) -> Mapping:
    """The mapping in the file `path`; UsageError tells everything that is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror})", "give the name of a mapping that exists"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}", "mend the file; docs/mappings.md tells every key") from error
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        problems = "\n  ".join(f"{path}: {line}" for line in _describe(error))
        raise UsageError(
            f"the mapping is not right:\n  {problems}", "mend the file; docs/mappings.md tells every key"
        ) from error


def find(name: str, config_dir: Path | None) -> Path:
    """The file of the mapping `name`: in `mappings/` beside the configuration folder, else among those shipped."""
    folders = [config_dir.absolute().parent / "mappings"] if config_dir is not None else []
    folders.append(_shipped())
    if _NAME.fullmatch(name):
        for folder in folders:
            if (folder / f"{name}.toml").is_file():
                return folder / f"{name}.toml"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    raise UsageError(
        f"no mapping is called {name!r} (known: {', '.join(known) or 'none'})",
        f"write {folders[0] / 'NAME.toml'} (docs/mappings.md tells how), or give the name of a known one",
    )


def _shipped() -> Path:
    """Where the shipped mappings are: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "shipped" / "mappings"
    return installed if installed.is_dir() else package.parent / "mappings"


def _describe(error: ValidationError) -> list[str]:
    """One sentence per problem: the key, what is wrong, what would be accepted."""
    lines: list[str] = []
    for item in error.errors(include_url=False, include_input=False):
        location = [str(part) for part in item["loc"]]
        key = ".".join(location)
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown key {key}; accepted here: {', '.join(_keys_beside(location))}")
        elif item["type"] == "missing":
            lines.append(f"{key} is missing; accepted: a table [{key}]")
        elif item["type"] == "value_error":
            lines.extend(item["msg"].removeprefix("Value error, ").split("\n"))
        else:
            accepted = item["msg"].removeprefix("Input should be ")
            lines.append(f"{key}: accepted: {_PLAIN.get(item['type'], accepted)}")
    return lines


_PLAIN = {
    "tuple_type": 'a text or a list of texts, such as "NAME" or ["NAME", "OTHER NAME"]',
    "string_type": "a text",
    "string_too_short": "a text that is not blank",
    "string_pattern_mismatch": "a text that is not blank",
    "bool_type": "true or false",
    "too_short": "a list with at least one value",
}


def _keys_beside(location: list[str]) -> list[str]:
    tables: dict[str, type[Section]] = {
        "": Mapping,
        "columns": Columns,
        "operation": Operations,
        "operation.roles": Roles,
    }
    return sorted(tables[".".join(location[:-1])].model_fields)
