"""Rules broken on purpose, one at a time: each must make the test fail that is named beside it.

    make mutants                             all of them
    make mutants MUTANTS="consent approved"  those whose name holds one of these words

The tree is copied to a temporary folder, and only there is anything changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", "*.db")
PATIENCE = 600.0
"""Seconds for one test; a mutant on which it hangs longer is not caught."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `file`, `old` (there exactly once) becomes `new`: then `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


POLICY, PROJECT, PLAN, GUARD = (f"pipeline/{name}.py" for name in ("policy", "project", "plan", "guard"))
PUSH, OUTBOUND, FACTS, RECORD, SEND = (
    f"pipeline/{name}.py" for name in ("push", "outbound", "facts", "record", "send")
)
NAMING, OUTLINE, DISPATCH, SKETCH = (f"pipeline/{name}.py" for name in ("naming", "outline", "dispatch", "sketch"))
LEDGER, STATE, DATABASE = (f"pipeline/store/{name}.py" for name in ("ledger", "acknowledged", "database"))
RULES, DAYS, PLATFORM = (f"tests/test_night_{name}.py" for name in ("rules", "days", "platform"))
GATE, ENTRY, ASKED, ERRANDS, NIGHTS = (
    f"pipeline/console/{name}.py" for name in ("gate", "entry", "asked", "errands", "nights")
)
PAGE, LOOK, SHELF = (f"pipeline/report/{name}.py" for name in ("page", "look", "shelf"))
COME_IN, ACTS, PEOPLE = (f"tests/console/test_{name}.py" for name in ("entry", "acts", "people"))
GUARDS, CRASH, LAWS = "tests/test_guards.py", "tests/test_crash.py", "tests/test_laws.py"
REPORT = "tests/test_report.py"

MUTANTS = (
    # Policy
    Mutant(
        "consent ends a day early", POLICY,
        "return on > consent_until(start, months)",
        "return on >= consent_until(start, months)",
        f"{RULES}::test_consent_lasts_24_months_clamped_through_its_last_day",
    ),
    Mutant(
        "the fourth day of grace joins", POLICY,
        "return as_of - timedelta(days=grace_days)",
        "return as_of - timedelta(days=grace_days + 1)",
        f"{RULES}::test_show_ended_at_most_three_days_before_gives_a_seat",
    ),
    Mutant(
        "one limit of leaves is enough to hold", POLICY,
        "return leaves > max_leaves and leaves > max_ratio * memberships",
        "return leaves > max_leaves or leaves > max_ratio * memberships",
        f"{GUARDS}::test_more_than_fifty_leaves_and_more_than_a_fifth_of_the_seats_are_held",
    ),
    Mutant(
        "twenty bad lines are let through", POLICY,
        "return rejected >= MIN_REJECTS and rejected > ratio * lines",
        "return rejected > MIN_REJECTS and rejected > ratio * lines",
        f"{DAYS}::test_too_many_bad_lines_hold_the_whole_file_until_approved",
    ),
    Mutant(
        "ten times the median is let through", POLICY,
        "lines >= max_ratio * max(median(history), 1)",
        "lines > max_ratio * max(median(history), 1)",
        f"{GUARDS}::test_what_is_held_is_told_and_waits_for_an_approval_and_nothing_else_does[volume]",
    ),
    Mutant(
        "a twin shares the title of its sister", NAMING,
        "    return next((twin for twin in twins if taken.get(policy.same_title(twin), key) == key), twins[-1])",
        "    return title",
        f"{RULES}::test_second_show_of_one_title_gets_its_own_group_with_its_id",
    ),
    # What the ledger asks for
    Mutant(
        "at the same instant the purchase wins", PROJECT,
        'if _whole(row["booked_at"]) > cancelled_at]',
        'if _whole(row["booked_at"]) >= cancelled_at]',
        f"{RULES}::test_cancellation_and_group",
    ),
    Mutant(
        "a cancellation concerns the address that it carries", PROJECT,
        '        bought = by_transaction.get(cancellation["transaction_id"])\n',
        "        bought = None\n",
        f"{RULES}::test_cancellation_concerns_the_buyer_of_its_transaction_whatever_its_address",
    ),
    # The plan
    Mutant(
        "consent moves back", PLAN,
        "if known is not None and known.consent_date is not None and known.consent_date > consent_date:",
        "if False and known is not None and known.consent_date is not None:",
        f"{RULES}::test_consent_is_renewed_by_a_purchase_and_never_moved_back",
    ),
    Mutant(
        "the suppressed are sent", PLAN,
        "    if change.email in facts.suppressed:\n        return None, facts.suppressed[change.email]\n",
        "",
        f"{PLATFORM}::test_suppressed_address_is_never_sent_whatever_it_buys",
    ),
    Mutant(
        "a purge takes people out of groups", PLAN,
        "        elif not membership.settled:\n",
        "        else:\n",
        f"{RULES}::test_purge_takes_rows_and_archived_files_and_nobody_out_of_a_group",
    ),
    Mutant(
        "a group that staff deleted comes back with everybody", PLAN,
        '(state == "gone" and newer)',
        'state == "gone"',
        f"{PLATFORM}::test_deleted_show_group_comes_back_for_new_buyers_only",
    ),
    Mutant(
        "a new address is free of the old one's suppression", FACTS,
        '            found[email] = "unsubscribed_as"\n',
        "            pass\n",
        f"{RULES}::test_new_address_of_an_unsubscribed_person_is_unsubscribed_as",
    ),
    # Guards
    Mutant(
        "what is held is let go by the next run", GUARD,
        "    return planned & frozenset(held)\n",
        "    return frozenset()\n",
        "tests/test_plan.py::test_what_is_held_stays_held_while_the_rest_goes_on",
    ),
    Mutant(
        "what is held is sent with the rest", OUTLINE,
        "        self._held |= set(pairs)\n",
        "",
        f"{GUARDS}::test_what_is_held_is_told_and_waits_for_an_approval_and_nothing_else_does[leaves]",
    ),
    Mutant(
        "an approved file stays held", RECORD,
        'close_hold(hold, "approved")',
        'close_hold(hold, "open")',
        f"{GUARDS}::test_an_approval_that_was_killed_is_finished[run-rejects]",
    ),
    Mutant(
        "an approval that was cut off cannot be finished", SEND,
        'or seats[email][key].state != "out" for',
        'or seats[email][key].state != "" for',
        f"{GUARDS}::test_an_approval_that_was_killed_is_finished[approve-leaves]",
    ),
    Mutant(
        "whatever account answers is ours", OUTBOUND,
        "if policy.platform_emptied(seats, len(people), len(found)):",
        "if False:",
        f"{GUARDS}::test_nothing_goes_to_an_account_that_is_not_ours",
    ),
    Mutant(
        "members who vanish by the dozen are sent again", POLICY,
        "return missing > MANY and missing > asked / 5",
        "return missing < 0",
        f"{GUARDS}::test_many_members_who_are_gone_at_once_are_not_sent_again",
    ),
    # Push
    Mutant(
        "nothing is noted before it is sent", DISPATCH,
        "            State(connection, self.account).depart(flights)\n",
        "            State(connection, self.account).depart([])\n",
        f"{CRASH}::test_killed_anywhere_then_corrected_nobody_strays[before-the-read-back]",
    ),
    Mutant(
        "a receipt is what was hoped", PUSH,
        "inside = [key for key in change.joins if written or (email, key) in after.seats]",
        "inside = list(change.joins)",
        "tests/test_push.py::test_who_is_not_in_all_of_its_groups_is_refused_but_keeps_the_seats_it_got",
    ),
    Mutant(
        "the batch's own word is believed", PUSH,
        "        if problem:\n            refused[email]",
        "        if email in after.refusals:\n            refused[email]",
        f"{PLATFORM}::test_batch_that_goes_wrong_is_finished_in_the_end[half]",
    ),
    Mutant(
        "the refused lose their mark", DISPATCH,
        " - receipts.refused.keys()",
        "",
        f"{PLATFORM}::test_refused_contact_is_told_the_others_go_on_and_it_is_tried_again",
    ),
    Mutant(
        "the batch of a killed run is not waited for", OUTBOUND,
        "        late = self._await_batches()\n",
        "        late: list[SentBatch] = []\n",
        "tests/test_crash.py::test_a_batch_that_outlives_a_killed_run_is_waited_for",
    ),
    Mutant(
        "what a late batch did stays", OUTBOUND,
        "        self._look_after(late)\n",
        "",
        "tests/test_crash.py::test_a_batch_that_never_ended_and_then_did_overwrites_nothing_for_long",
    ),
    Mutant(
        "who cancelled stays where staff had put them", SKETCH,
        "            asked |= strangers(facts, adopted)\n",
        "",
        "tests/test_night_platform.py::test_who_cancelled_leaves_a_group_that_staff_had_put_them_in_when_it_is_adopted",
    ),
    Mutant(
        "a better consent is overwritten", OUTLINE,
        '"WHERE email NOT IN (SELECT email FROM better) ORDER BY number, email"',
        '"ORDER BY number, email"',
        "tests/test_push.py::test_a_better_consent_is_left_alone_and_fields_and_groups_are_written",
    ),
    Mutant(
        "a member that staff deleted comes back", OUTLINE,
        "change.known_at > before.known_at or",
        "change.known_at >= before.known_at or",
        "tests/test_push.py::test_who_was_deleted_comes_back_only_by_buying",
    ),
    # The store
    Mutant(
        "a backfill wins over the day file of its date", LEDGER,
        'return self.business_date.toordinal() * 2 + (self.kind == "day")',
        "return self.business_date.toordinal() * 2",
        f"{DAYS}::test_day_file_beats_a_backfill_of_its_date_and_an_older_one",
    ),
    Mutant(
        "a corrected file forgets whom its first version touched", LEDGER,
        "self._settle([load_id] if old is None else [old[0], load_id],",
        "self._settle([load_id],",
        f"{DAYS}::test_reissued_file_replaces_the_day_as_a_whole",
    ),
    Mutant(
        "a suppression is forgotten when the platform forgets it", STATE,
        "        known = self.suppressions()\n        fresh = ",
        "        self._db.execute(delete(suppressions).where(suppressions.c.email.not_in(list(found))))\n"
        "        known = self.suppressions()\n        fresh = ",
        "tests/store/test_acknowledged.py::test_who_is_suppressed_stays_so_and_unsubscribed_outweighs_bounced",
    ),
    Mutant(
        "two runs of an account at once", DATABASE,
        "            with _file_lock(path, account):\n                yield\n",
        "            yield\n",
        "tests/test_night_accounts.py::test_another_run_of_the_account_under_way_ends_with_75",
    ),
    Mutant(
        "a rehearsal is kept", "pipeline/setting.py",
        "            stack.enter_context(setting.database.rehearsal(desk))\n",
        "",
        f"{GUARDS}::test_a_dry_run_names_it_and_holds_nothing[leaves]",
    ),
    # The console
    Mutant(
        "the console answers to any name", GATE,
        'if _name(request.headers.get("host", "")) not in self.hosts:',
        'if _name(request.headers.get("host", "")) in {"?"}:',
        f"{COME_IN}::test_a_name_that_is_not_ours_is_not_answered",
    ),
    Mutant(
        "the console takes forms from elsewhere", GATE,
        "if not self._ours(request):",
        "if self._ours(request) is None:",
        f"{COME_IN}::test_a_form_from_elsewhere_is_refused_whatever_it_carries",
    ),
    Mutant(
        "the console takes a form without the visit's mark", ASKED,
        'if request.method == "POST" and not _same',
        'if request.method == "PUT" and not _same',
        f"{COME_IN}::test_a_form_without_the_visit_s_mark_does_nothing",
    ),
    Mutant(
        "a console that is read-only replays", ASKED,
        "if acts and not console.may_replay:",
        "if acts and console.may_replay is None:",
        f"{ACTS}::test_read_only_has_no_forms_and_refuses_who_posts_all_the_same",
    ),
    Mutant(
        "the console's password may be tried for ever", ENTRY,
        'self._tries.hit(PER_ADDRESS, "from", address)',
        "pass",
        f"{COME_IN}::test_too_many_wrong_passwords_and_not_even_the_right_one_is_listened_to",
    ),
    Mutant(
        "a visit that nobody uses lasts", ENTRY,
        "return now - visit.seen >= IDLE or now",
        "return now",
        f"{COME_IN}::test_a_visit_ends_when_it_is_left_alone_or_has_lasted_a_day_s_work",
    ),
    Mutant(
        "a visit that is in use never ends", ENTRY,
        " or now - visit.since >= LONGEST",
        "",
        f"{COME_IN}::test_a_visit_ends_when_it_is_left_alone_or_has_lasted_a_day_s_work",
    ),
    Mutant(
        "who signs out stays inside", ENTRY,
        "self._visits.pop(_digest(cookie), None)",
        "self._visits.get(_digest(cookie), None)",
        f"{COME_IN}::test_signing_out_ends_the_visit_here_too_and_signing_in_again_begins_another",
    ),
    Mutant(
        "a plan that changed after its preview is sent", ERRANDS,
        'errand.changed = errand.kind == "replay" and errand.mark not in {"", errand.agreed}',
        "errand.changed = False",
        f"{ACTS}::test_a_plan_that_changed_after_it_was_shown_is_shown_again_and_nothing_is_sent",
    ),
    Mutant(
        "nobody is asked before a plan is sent", SEND,
        "            work.planned(prepared.outline)\n",
        "",
        f"{ACTS}::test_a_plan_that_is_not_agreed_to_at_the_last_moment_is_not_sent",
    ),
    Mutant(
        "two plans have one fingerprint", OUTLINE,
        'seen.update(f"{email} {sent[number]}\\n".encode())',
        "pass",
        f"{ACTS}::test_a_fingerprint_tells_people_apart_whom_no_preview_lists",
    ),
    Mutant(
        "a preview is confirmed twice", ERRANDS,
        "        shown.used = True\n",
        "",
        f"{ACTS}::test_a_preview_is_confirmed_once_and_while_it_is_fresh",
    ),
    Mutant(
        "two things at a time are done for an account", ERRANDS,
        "if self.under_way(account.name) is not None:",
        "if self.under_way(account.name) is self:",
        f"{ACTS}::test_one_thing_at_a_time_is_done_for_an_account",
    ),
    Mutant(
        "lists of the console show whole addresses", ASKED,
        "return email if self.whole_addresses else mask(email)",
        "return email",
        f"{PEOPLE}::test_consents_about_to_end_are_listed_with_short_addresses",
    ),
    Mutant(
        "the page of a night reaches the console", NIGHTS,
        "sandbox allow-scripts; form-action",
        "form-action",
        f"{PEOPLE}::test_a_night_shows_its_files_its_bad_lines_without_their_text_and_its_page_in_a_box",
    ),
    # The page of a night
    Mutant(
        "the page of a night shows whole addresses", PAGE,
        "(lambda text: text) if reader.addresses else mask",
        "lambda text: text",
        f"{REPORT}::test_addresses_are_masked_and_bad_lines_are_not_shown",
    ),
    Mutant(
        "the page of a night shows the address in a refusal", PAGE,
        'shown(str(each.detail["why"]))',
        'str(each.detail["why"])',
        f"{REPORT}::test_addresses_are_masked_and_bad_lines_are_not_shown",
    ),
    Mutant(
        "the page of a night obeys what came from outside", LOOK,
        "            autoescape=True,\n",
        "            autoescape=False,\n",
        f"{REPORT}::test_what_came_from_outside_is_text",
    ),
    Mutant(
        "the page of a night loads from elsewhere", PAGE,
        "f\"default-src 'none'; style-src",
        'f"default-src https:; style-src',
        f"{REPORT}::test_a_page_runs_its_own_script_and_style_and_loads_nothing",
    ),
    Mutant(
        "the page of a night runs any script", PAGE,
        'f" script-src {allowed(script)};"',
        "f\" script-src 'unsafe-inline';\"",
        f"{REPORT}::test_a_page_runs_its_own_script_and_style_and_loads_nothing",
    ),
    Mutant(
        "who is forgotten stays on the pages of nights", "pipeline/privacy.py",
        "        shelf.rewrite(work, days)\n",
        "",
        f"{REPORT}::test_who_is_forgotten_is_on_no_page_and_was_told_by_export",
    ),
    Mutant(
        "a page that forget could not write stays as it was", SHELF,
        "(day in wanted or _stale(path, told_at))",
        "day in wanted",
        f"{REPORT}::test_a_page_that_could_not_be_written_again_is_by_the_next_time[other]",
    ),
    Mutant(
        "pages of nights are kept for ever", SHELF,
        "            path.unlink(missing_ok=True)\n",
        "            pass\n",
        f"{REPORT}::test_pages_go_with_what_is_too_old",
    ),
    # Doctor
    Mutant(
        "a server that nobody pinned is well", "pipeline/sources/hostkey.py",
        "if known.get(key.get_name()) == key:",
        "if not known or known.get(key.get_name()) == key:",
        "tests/test_doctor.py"
        "::test_a_server_that_is_not_pinned_is_told_with_the_line_that_pins_it_and_is_never_pinned_by_itself",
    ),
    Mutant(
        "what leans on something ill is looked at", "pipeline/checkup.py",
        "        if first:",
        "        if False:",
        "tests/test_doctor.py::test_what_waits_names_the_first_thing_to_mend_and_is_not_told_to_programs",
    ),
)  # fmt: skip


def occurrences(mutant: Mutant, root: Path = ROOT) -> int:
    """How often the text to change stands in its file."""
    return (root / mutant.file).read_text(encoding="utf-8").count(mutant.old)


def fails(tests: Sequence[str], tree: Path) -> bool:
    """Whether one of the tests fails in the tree; AssertionError when they cannot be run at all."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "-n", "0"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*words, *tests], cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode in {0, 1}, done.stdout[-2000:] + done.stderr[-2000:]
    return done.returncode == 1


def caught(mutant: Mutant, tree: Path) -> bool:
    """Whether the mutant's test fails with it; the tree is left as it was."""
    path = tree / mutant.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(sound.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return fails([mutant.test], tree)
    finally:
        path.write_text(sound, encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Try the mutants whose names hold one of the words, or all; 0 when each was caught."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    stale = [mutant.name for mutant in MUTANTS if occurrences(mutant) != 1]
    if stale or not chosen:
        print("no such mutant" if not chosen else f"the text to change is not there exactly once: {', '.join(stale)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
        if fails(sorted({mutant.test for mutant in chosen}), tree):
            print("a test fails without any mutant: mend that first")
            return 1
        alive = 0
        for mutant in chosen:
            start = time.monotonic()
            dead = caught(mutant, tree)
            alive += not dead
            print(
                f"{'caught' if dead else 'ALIVE '}  {mutant.name:58} {mutant.file:32} {mutant.test}"
                f"  ({time.monotonic() - start:.0f} s)",
                flush=True,
            )
    print(f"\n{len(chosen) - alive} of {len(chosen)} mutants were caught")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
