"""A small world for tests: a venue's drop, the platform's stand-in, a configuration, and the program run for real."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.cli import main
from pipeline.sandbox.control import MemberState, SandboxControl
from pipeline.sandbox.serve import TOKEN, PlatformServer

COLUMNS = (
    "type_operation", "id_reservation", "date_transaction", "date_transaction_initiale", "id_client", "courriel",
    "prenom", "nom", "entreprise", "entreprise_2", "telephone", "ville", "code_postal", "date_creation_client",
    "id_spectacle", "titre_spectacle", "id_representation", "date_evenement", "date_fin_evenement", "canal_vente",
    "categorie_rapport_1", "categorie_rapport_2", "categorie_rapport_3", "categorie_tarif", "nom_interne_tarif",
    "regroupement_categorie_prix", "nb_billets", "montant_net",
)  # fmt: skip

Line = Mapping[str, str]


def buy(transaction: str, at: str, email: str, **more: str) -> Line:
    """A purchase line; `at` is local, `YYYY-MM-DD HH:MM:SS`."""
    line = {
        "type_operation": "ACHAT",
        "id_reservation": transaction,
        "date_transaction": at,
        "id_client": f"C-{email}",
        "courriel": email,
        "prenom": "Anne",
        "nom": "Tremblay",
        "id_spectacle": "S1",
        "titre_spectacle": "Le Songe",
        "id_representation": "R1",
        "date_evenement": "2026-04-01 20:00:00",
        "categorie_tarif": "Général",
        "nb_billets": "2",
        "montant_net": "100,00",
    }
    return {**line, **more}


def cancel(transaction: str, at: str, email: str = "", **more: str) -> Line:
    """A cancellation line."""
    return buy(transaction, at, email, **{"type_operation": "ANNULATION", "montant_net": "", **more})


def text(lines: Iterable[Line], delimiter: str = ";") -> str:
    """The lines as a day file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


@dataclass(frozen=True)
class Answer:
    """What a command gave: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def run(self) -> Any:
        """The last run of the answer."""
        return self.json["runs"][-1]


@dataclass
class World:
    """One account, `demo`, with a folder as its source and the stand-in as its platform."""

    root: Path
    server: PlatformServer
    control: SandboxControl
    state_url: str = "sqlite:///var/placier.db"
    policy: dict[str, object] = field(default_factory=dict)
    guard: dict[str, object] = field(default_factory=dict)
    source: dict[str, object] = field(default_factory=dict)
    platform: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.drop.mkdir(parents=True, exist_ok=True)
        self.write_config()

    @property
    def drop(self) -> Path:
        """Where the box office drops its files."""
        return self.root / "depot"

    @property
    def config(self) -> Path:
        """The configuration folder."""
        return self.root / "config"

    def write_config(self) -> None:
        """Write the configuration as it is now."""
        accounts = self.config / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        token = self.root / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        (self.config / "placier.toml").write_text(f'[state]\nurl = "{self.state_url}"\n')
        source = {"kind": "folder", "path": "depot", "settle_seconds": 0.0, **self.source}
        platform = {
            "kind": "cyberimpact",
            "base_url": self.server.url,
            "token_file": "token",
            "requests_per_second": 10000.0,
            "first_poll": 0.0,
            **self.platform,
        }
        tables = {"source": source, "platform": platform, "policy": self.policy, "guard": self.guard}
        content = 'organisation = "Theatre"\n' + "".join(_table(name, values) for name, values in tables.items())
        (accounts / "demo.toml").write_text(content)

    def set(self, **tables: dict[str, object]) -> None:
        """Change tables of the account's file."""
        for name, values in tables.items():
            getattr(self, name).update(values)
        self.write_config()

    def day(self, day: str, lines: Iterable[Line]) -> None:
        """Drop a day: purchases in one file, cancellations in the other."""
        listed = list(lines)
        stamp = day.replace("-", "")
        for name, kind in (("achats", "ACHAT"), ("annulations", "ANNULATION")):
            content = text(line for line in listed if line["type_operation"] == kind)
            (self.drop / f"Theatre_{name}_{stamp}.csv").write_text(content, encoding="utf-8")

    def history(self, lines: Iterable[Line], name: str = "Theatre_historique.csv") -> Path:
        """Drop a history for the backfill."""
        path = self.drop / name
        path.write_text(text(lines), encoding="utf-8")
        return path

    def placier(self, *words: str, json_too: bool = True) -> Answer:
        """Run the program in this process, as the command line would."""
        out, err = io.StringIO(), io.StringIO()
        arguments = [*words, "--config", str(self.config), *(["--json"] if json_too else [])]
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main(arguments, prog_name="placier")
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        return Answer(code, out.getvalue(), err.getvalue())

    def night(self, as_of: str, *words: str) -> Answer:
        """The nightly run of the day before `as_of`."""
        return self.placier("run", "demo", "--as-of", as_of, *words)

    def member(self, email: str) -> MemberState:
        """A person as the platform stores it."""
        return self.control.state().members[email]

    def groups_of(self, email: str) -> tuple[str, ...]:
        """The titles of the groups that a person is in."""
        return self.member(email).groups

    def content(self) -> dict[str, object]:
        """All that the platform stores, without ids and instants."""
        return self.control.state().content()


def _table(name: str, values: Mapping[str, object]) -> str:
    def literal(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    nested = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines = [f"[{name}]", *(f"{key} = {literal(value)}" for key, value in plain.items())]
    text_ = "\n".join(lines) + "\n"
    return text_ + "".join(_table(f"{name}.{key}", value) for key, value in nested.items())
