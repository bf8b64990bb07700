"""What `placier init` writes: a starter configuration in which every key is told, the mappings, the cron files.

In the configuration, `#key = value` shows a default: take the # away to change it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.fields import FIELDS


@dataclass(frozen=True, slots=True)
class StartFile:
    """A file of the start: `written` now, or kept as it was because it was there already."""

    path: Path
    written: bool

    def __str__(self) -> str:
        return str(self.path) if self.written else f"{self.path} (was there already: kept as it is)"


def write_start(directory: Path) -> list[StartFile]:
    """Write the start into `directory`, made if need be; whatever is there already is kept.

    Returns every file of the start, in the order in which it is worth reading.  UsageError when one cannot be written.
    """
    files = {"config/placier.toml": PLACIER, "config/accounts/exemple.toml": ACCOUNT}
    content = {directory / name: text.encode() for name, text in files.items()}
    for folder in ("mappings", "cron"):
        for source in shipped(folder):
            content[directory / folder / source.name] = source.read_bytes()
    content[directory / "secrets" / "README.md"] = SECRETS.encode()
    content[directory / ".gitignore"] = GITIGNORE.encode()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "secrets").mkdir(mode=0o700, exist_ok=True)
        return [StartFile(path, _write(path, data)) for path, data in content.items()]
    except OSError as error:
        where = error.filename or directory
        raise UsageError(
            f"{where}: cannot be written ({error.strerror})", "placier init DIR, with a folder that is yours"
        ) from error


def _write(path: Path, data: bytes) -> bool:
    """Whether the file was written: never over anything, not even over a link that leads nowhere."""
    if os.path.lexists(path):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as page:
        page.write(data)
    return True


def shipped(folder: str) -> list[Path]:
    """The files of a shipped folder, sorted: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "shipped" / folder
    home = installed if installed.is_dir() else package.parent / folder
    return sorted(path for path in home.iterdir() if path.is_file() and not path.name.startswith("."))


PLACIER = """\
# Placier: what all accounts share.  One file per account is in accounts/.
# `#key = value` shows a default: take the # away to change it.  Relative paths start at the folder above this one.
# After a change: placier doctor

[state]                                   # what Placier knows; back it up together
url = "sqlite:///var/placier.db"          # or postgresql+psycopg://user@host/database
#patience = 60.0                          # seconds that a database in use by another program is waited for
archive = "var/archive"                   # every file that was read, compressed, under its SHA-256
reports = "var/reports"                   # the page that each run writes

[reports]                                 # the pages, for people
#show_addresses = false                   # true: whole addresses; a page is then not to be passed on

[engine]                                  # what merges long histories, and walks the accounts of a run
#kind = "local"                           # this process; or "dask", a Dask cluster
#scheduler = ""                           # the cluster's address, tcp://host:8786; empty: processes of this machine
#storage = ""                             # with a scheduler: a folder or fsspec URL that all workers share

[alerts]                                  # all optional: who is told beside cron's mail
#healthcheck_url = ""                     # GET url/start, then url when all is well, url/fail when not
#urls_env = ""                            # name of the environment variable with Apprise URLs (mailto://, slack://)
#textfile = ""                            # figures for Prometheus: a file NAME.prom in the node exporter's folder

[console]                                 # the pages for support staff, `placier console`
#password_env = "PLACIER_CONSOLE_PASSWORD"  # the environment variable with its password, 12 characters or more
"""

_FIELD_LINES = "\n".join(f'#{field.key} = "{field.name}"' for field in FIELDS)

ACCOUNT = f"""\
# An account: one box office, one platform account, one set of rules.  Its name is this file's: rename the file.
# `#key = value` shows a default: take the # away to change it.  Relative paths start at the folder above config/.
# Secrets are never written here, only where they are: keys in _env name an environment variable, keys in _file a file.
# After a change: placier doctor

organisation = "Theatre-du-Quai"          # as it stands in the names of the day files
timezone = "America/Toronto"              # the box office's clock
#language = "fr_ca"                       # of the contacts that are created: fr_ca or en_ca
mapping = "tuxedo"                        # what the columns are called: mappings/tuxedo.toml

[source]                                  # where the box office leaves its files
# Files in a folder of this machine instead: kind = "folder" and path = "depot"; then no key from host to first_pause.
kind = "sftp"                             # a server
host = "sftp.exemple.test"                # its name or address
#port = 22                                # its port
user = "placier"                          # the user there
key_file = "secrets/id_ed25519"           # the private key; nobody else may read it (chmod 600)
#password_env = ""                        # instead of key_file: the environment variable with the password
known_hosts = "secrets/known_hosts"       # the server's key; an unknown or changed one is refused
directory = "/depot"                      # the folder there; default ".", the user's own
#connect_timeout = 15.0                   # seconds that each step of connecting may take
#read_timeout = 60.0                      # seconds without an answer
#first_pause = 1.0                        # seconds before the second try after a passing fault; then twice as long
purchases = "{{organisation}}_achats_{{date:%Y%m%d}}.csv"              # also with .gz
cancellations = "{{organisation}}_annulations_{{date:%Y%m%d}}.csv"    # both of a day must be there
#transactions = ""                        # instead of these two, one file: "{{organisation}}_{{date:%Y%m%d}}.csv"
backfill = "{{organisation}}_historique*.csv"                        # the 24 months, for `placier backfill`
wait_minutes = 90                         # minutes that `placier run` waits for a file that is late; default 0
#settle_seconds = 0.5                     # seconds that a file's size must stay the same before it is read
#catch_up_days = 7                        # days missed since the first success that a run does first; 0: none

[platform]                                # where the contacts go
# Import files instead: kind = "csv", path = "import", dialect = "cyberimpact" or "mailchimp", and but for the fields no
# other key.
kind = "cyberimpact"                      # over its API
#base_url = "https://api.cyberimpact.com" # its address; plain http:// to this machine only (the sandbox)
#token_env = "CYBERIMPACT_TOKEN"          # the environment variable with the API token
#token_file = ""                          # instead of token_env: a file that nobody else may read, "secrets/token"
#batch_size = 500                         # contacts a request
#requests_per_second = 2.0                # how fast at most
#timeout = 60.0                           # seconds without an answer
#batch_deadline = 1800.0                  # seconds until a batch that does not end is left to the next run
#first_poll = 0.3                         # seconds until the first batch is asked for; each later time 1.5 as long
#retries = 5                              # attempts at a request that fails in passing
#first_pause = 1.0                        # seconds before the second attempt; each later pause is twice as long

[platform.custom_fields]                  # the fields' names in the platform account, where they differ from these
{_FIELD_LINES}

[policy]                                  # the rules
#consent_months = 24                      # calendar months that a purchase lets us write
#groups = "per-show"                      # or "per-performance", "general-only"
#general_group = "Clients Tuxedo"         # the group of every contact
#group_title = ""                         # "{{show_title}}"; per performance "{{show_title}} ({{date:%Y-%m-%d %H:%M}})"
#show_grace_days = 3                      # days after a show's end in which a buyer still joins its group
#cancellation = "any"                     # any cancellation leaves the show's group; "exact": when no ticket is left
#cancelled_counts = true                  # false: a booking that is wholly cancelled is no last purchase and no consent
#retention_months = 26                    # months after which lines and archived files are purged

[guard]                                   # what is held until `placier approve`; the rest of the run goes on
#max_reject_ratio = 0.2                   # part of bad lines (20 at least) above which a file is held
#max_leaves = 50                          # leaves are held when there are more than this many AND
#max_leave_ratio = 0.2                    #   more than this part of all memberships
#max_volume_ratio = 10.0                  # a day is held when it has this many times the usual lines
"""

SECRETS = """\
# What goes here

Nobody but the user that runs Placier may read this folder (`chmod 700 secrets`) and its files (`chmod 600 secrets/*`).
None of it goes into git.

- `environment`: what the cron job and the systemd service must know, one line: `CYBERIMPACT_TOKEN=...` (the token is
  made in the settings of the Cyberimpact account).
- `id_ed25519`: the key that opens the box office's SFTP server. `ssh-keygen -t ed25519 -N '' -f secrets/id_ed25519`
  makes it; the box office gets `id_ed25519.pub`, never the other.
- `known_hosts`: the SFTP server's own key. `ssh-keyscan -p 22 HOST > secrets/known_hosts` asks for it; then compare
  what `ssh-keygen -lf secrets/known_hosts` says with what the box office tells you by telephone.

At a prompt, in the folder above: `set -a; . secrets/environment; set +a`. Then `placier doctor` looks at all of it.
"""

GITIGNORE = "secrets/\nvar/\n"
