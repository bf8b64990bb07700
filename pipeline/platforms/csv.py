"""Import files in a folder, for an account without API access: a person imports them by hand.

One import goes to a set of groups, so the dialect `cyberimpact` writes one file per set; `mailchimp` writes one file,
the groups as tags.  Leaves go to a file of their own, and `LISEZ-MOI` tells which file goes where.  Everything is
written to `.part` and renamed when the run closes; what an interrupted run left is finished by the next one.  A field
to be cleared is an empty cell, which an import may well leave as it was: that much a file cannot do.

Cyberimpact matches columns by hand on import and documents no headers: ours are its French labels.  Mailchimp's are
those of its own import guide; its dates are ISO, which it asks for.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableSet, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from pipeline.config import CsvPlatform as Configured
from pipeline.errors import PlatformError
from pipeline.fields import FIELDS
from pipeline.log import plain
from pipeline.platforms import Batch, Consent, Group, Member, Outcome, Person, Value, unheard
from pipeline.platforms.contract import check_batch
from pipeline.platforms.wire import as_day

GROUPS = "groupes.json"
SUPPRESSED = "desabonnes.csv"
_FORMULA = re.compile(r"""(\A|[;\t\r\n])(?=[\s"\x00-\x1f\u200b\ufeff]*[=+\-@＝＋－＠]|\A[\t\r])""")
"""Where a formula may begin: at the start of a cell, and after what another spreadsheet takes for a separator; blanks and
quotes before it hide nothing."""
_RISKY = re.compile(rf"{_FORMULA.pattern}|[\t\r]")
"""What a row is searched for at once, its cells on lines of their own, before each cell is looked at."""
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
_EMAIL_HEADERS = frozenset({"courriel", "email", "adresse courriel", "adresse email", "email address", "adresse"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a platform wants its import: headers by key, whether groups are tags, the encoding."""

    headers: Mapping[str, str]
    tags: bool
    encoding: str
    leave: tuple[str, str]


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "cyberimpact": Dialect(
            MappingProxyType(
                {
                    "email": "Courriel",
                    "first_name": "Prénom",
                    "last_name": "Nom",
                    "company": "Compagnie",
                    "postal_code": "Code postal",
                    "language": "Langue",
                    "consent_date": "Date du consentement",
                    "consent_proof": "Preuve du consentement",
                }
            ),
            tags=False,
            encoding="utf-8-sig",
            leave=("Courriel", "Groupe à quitter"),
        ),
        "mailchimp": Dialect(
            MappingProxyType(
                {
                    "email": "Email Address",
                    "first_name": "First Name",
                    "last_name": "Last Name",
                    "company": "Company",
                    "postal_code": "Postal Code",
                    "language": "Language",
                    "consent_date": "Consent Date",
                    "consent_proof": "Consent Proof",
                    "tags": "Tags",
                }
            ),
            tags=True,
            encoding="utf-8",
            leave=("Email Address", "Tag to remove"),
        ),
    }
)


class CsvPlatform:
    """Import files in `folder`, named after `label` (the run's); a `Platform` that reads nothing back."""

    reads_back: bool = False
    requests: int = 0

    def __init__(self, config: Configured, folder: Path, label: str) -> None:
        self._folder = folder
        self._label = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip(".-") or "placier"
        self._dialect = DIALECTS[config.dialect]
        self._names = {field.key: config.custom_fields.get(field.key, field.name) for field in FIELDS}
        self._written: dict[Path, str] = {}
        self._known: dict[int, str] = {}
        self._ready = False

    def check_fields(self) -> list[str]:
        """Nothing can be checked: the columns are matched by hand."""
        return []

    def groups(self) -> list[Group]:
        """The groups that were named so far, from the folder's own list."""
        path = self._folder / GROUPS
        if not path.exists():
            return []
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))["groups"]
            return [Group(int(item["id"]), str(item["title"]), False, 0) for item in listed]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlatformError(
                f"{path} cannot be read", "restore it from a backup: it holds the groups' numbers"
            ) from error

    def create_group(self, title: str) -> Group:
        """Give a title its number; a title that has one keeps it."""
        known = self.groups()
        for group in known:
            if _plain(group.title) == _plain(title):
                return group
        created = Group(max((group.id for group in known), default=0) + 1, title, False, 0)
        listed = [{"id": group.id, "title": group.title} for group in [*known, created]]
        self._open()
        part = self._folder / f"{GROUPS}.part"
        _append(part, json.dumps({"groups": listed}, ensure_ascii=False, indent=1).encode(), fresh=True)
        part.replace(self._folder / GROUPS)
        return created

    def suppressed(self, known: Collection[str]) -> dict[str, tuple[str, date | None]]:
        """The addresses of `desabonnes.csv`, an export laid in the folder by a person; none without it."""
        path = self._folder / SUPPRESSED
        if not path.exists():
            return {}
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PlatformError(f"{path} cannot be read ({error.strerror})", f"chmod u+r {path}") from error
        return {email: ("unsubscribed", day) for email, day in _exported(content, path)}

    def read(self, emails: Sequence[str]) -> dict[str, Member]:
        """Nobody: a folder cannot be asked."""
        return {}

    def find(self, wanted: MutableSet[str]) -> Iterator[Member]:
        """Nobody: a folder cannot be asked."""
        return iter(())

    def inside(self, wanted: Collection[str], groups: Collection[Group]) -> Iterator[tuple[str, int]]:
        """None: a folder cannot be asked."""
        return iter(())

    def consent(self, email: str) -> Consent | None:
        """None: a folder cannot be asked."""
        return None

    def memberships(self, emails: Sequence[str], groups: Collection[Group]) -> set[tuple[str, int]]:
        """None: a folder cannot be asked."""
        return set()

    def ended(self, number: int, *, patient: bool) -> bool:
        """True: a file is written at once."""
        return True

    def upsert(self, batch: Batch, taken: Callable[[int], None] = unheard) -> Outcome:
        """Write people to the file of their groups.  An address that a spreadsheet takes for a formula is refused."""
        check_batch(batch, len(batch.people))
        titles = self._titles(batch.groups)
        refused = {
            person.email.strip().lower(): "the address begins like a formula: add this person by hand"
            for person in batch.people
            if _FORMULA.search(person.email.strip())
        }
        people = [person for person in batch.people if person.email.strip().lower() not in refused]
        if people:
            tags = ",".join('"' + title.replace('"', "'") + '"' for title in _cells(titles))
            self._write(
                self._import_file(batch.groups, titles), self._header(), [self._row(one, tags) for one in people]
            )
        return Outcome(True, refused)

    def amend(self, member: Member, person: Person, groups: Sequence[int]) -> str:
        """Refused: whose consent is to be left alone cannot be known without reading."""
        return "an import file cannot amend a contact"

    def leave(self, email: str, group: int) -> str:
        """Write a leave to the file of leaves, which a person carries out; never refused."""
        name = self._folder / f"{self._label}_retraits_1.csv"
        row = [email.strip().lower(), " / ".join(self._titles((group,)))]
        self._write((name, "à retirer à la main"), list(self._dialect.leave), [row])
        return ""

    def close(self) -> None:
        """Give the files their names."""
        if self._written:
            self._note(self._written)  # before: no file is there that is not told of
        for path in self._written:
            _part(path).replace(path)
        self._written.clear()

    # -- files

    def _import_file(self, groups: tuple[int, ...], titles: list[str]) -> tuple[Path, str]:
        if self._dialect.tags:
            return self._folder / f"{self._label}_import.csv", "à importer, les étiquettes sont dans la colonne Tags"
        numbers = "-".join(str(group) for group in sorted(set(groups))) or "aucun"
        where = ", ".join(titles) or "aucun groupe"
        name = f"{self._label}_import_g{numbers}"
        return self._folder / f"{name[:200]}.csv", f"à importer comme « clients actifs » dans : {where}"

    def _titles(self, groups: Iterable[int]) -> list[str]:
        wanted = sorted(set(groups))
        if not self._known.keys() >= set(wanted):
            self._known = {group.id: group.title for group in self.groups()}
        unknown = [group for group in wanted if group not in self._known]
        if unknown:
            raise PlatformError(
                f"group {unknown[0]} is not in {GROUPS}", "restore it from a backup, or create the group again"
            )
        return [self._known[group] for group in wanted]

    def _header(self) -> list[str]:
        return [*self._dialect.headers.values(), *self._names.values()]

    def _row(self, person: Person, tags: str) -> list[str]:
        special: dict[str, Value] = {
            "email": person.email.strip().lower(),
            "language": person.language,
            "consent_date": person.consent_date.isoformat(),
            "consent_proof": person.consent_proof,
            "tags": tags,
        }
        keys = [*self._dialect.headers, *self._names]
        return [_text(special[key] if key in special else person.values.get(key, "")) for key in keys]

    def _open(self) -> None:
        """The folder, private, with what an interrupted run left in it finished."""
        if self._ready:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in sorted(self._folder.glob("*.csv.part")):
                path = part.with_suffix("")
                part.replace(path if not path.exists() else path.with_stem(f"{path.stem}_suite"))
                self._note({path: "d'une exécution interrompue, à traiter aussi"})
        except OSError as error:
            raise PlatformError(f"{self._folder} cannot be used ({error.strerror})", "check platform.path") from error
        self._ready = True

    def _write(self, target: tuple[Path, str], header: list[str], rows: list[list[str]]) -> None:
        """Append rows, whole and flushed, to the `.part` of a file that begins with `header`."""
        self._open()
        path, what = target
        while path not in self._written and path.exists():  # of an earlier run under this label
            path = path.with_stem(f"{path.stem}_suite")
        fresh = path not in self._written
        text = io.StringIO()
        csv.writer(text).writerows([*([_cells(header)] if fresh else []), *map(_cells, rows)])
        encoding = self._dialect.encoding if fresh else "utf-8"
        _append(_part(path), text.getvalue().encode(encoding), fresh=fresh)
        self._written[path] = what

    def _note(self, files: Mapping[Path, str]) -> None:
        """Tell in `LISEZ-MOI` what is to be done with these files."""
        lines = "".join(f"{path.name} : {plain(what)}\n" for path, what in files.items())
        _append(self._folder / f"{self._label}_LISEZ-MOI.txt", lines.encode(), fresh=False)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _append(path: Path, content: bytes, *, fresh: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be written ({error.strerror})", "check the disk and platform.path"
        ) from error


def _text(value: Value) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _cells(row: Iterable[str]) -> list[str]:
    """Cells that no spreadsheet takes for a formula: an apostrophe stands before it; real numbers stay."""
    row = list(row)
    if not _RISKY.search("\n".join(row)):
        return row
    return [cell if _NUMBER.fullmatch(cell) else _FORMULA.sub(r"\1'", cell) for cell in row]


def _plain(text: str) -> str:
    """A title or a header as they are compared: trimmed, without case or accents, `-` and `_` dropped or spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(kept.replace("e-mail", "email").replace("_", " ").split())


def _exported(content: bytes, path: Path) -> list[tuple[str, date | None]]:
    """The addresses of an export, and the day of each where a column tells it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    delimiter = max(";,\t|", key=first.count)
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    headers = [_plain(header) for header in lines[0]] if lines else []
    column = next((at for at, header in enumerate(headers) if header in _EMAIL_HEADERS), None)
    if column is None:
        raise PlatformError(
            f"{path} has no column of addresses", "its first line needs a column called Courriel or Email"
        )
    when = next((at for at, header in enumerate(headers) if re.search("desabonn|desinscr|unsub", header)), None)
    found = []
    for line in lines[1:]:
        email = line[column].strip().lower() if column < len(line) else ""
        if "@" in email:
            found.append((email, as_day(line[when]) if when is not None and when < len(line) else None))
    return found
