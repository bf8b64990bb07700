"""An error that nobody foresaw is told by its kind and place, never by its words."""

from __future__ import annotations

import pickle

import pytest

from pipeline import errors, policy
from pipeline.errors import Busy, Held, MissingFile, PlacierError, UsageError, unforeseen


def test_the_words_of_an_unforeseen_error_are_never_told() -> None:
    try:
        policy.consent_until("anne@exemple.ca", 24)  # type: ignore[arg-type]
    except TypeError as error:
        told = unforeseen(error)
    assert "TypeError in policy.py line" in told.message
    assert "anne" not in told.message + told.remedy
    assert told.exit_code == 1
    assert "an unknown place" in unforeseen(ValueError("never raised")).message


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, 2), (MissingFile, 4), (Held, 5), (Busy, 75), (errors.Failure, 1)]
)
def test_the_kind_of_an_error_is_its_exit_code(kind: type[PlacierError], code: int) -> None:
    error = kind("what and where", "what to type")
    assert (error.exit_code, error.message, error.remedy) == (code, "what and where", "what to type")
    assert all(
        found.exit_code == 1
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.Failure)
    )


@pytest.mark.parametrize("error", [UsageError("what", "type this"), errors.Emptied("what", "type this", 3, "abc")])
def test_an_error_comes_whole_from_another_process(error: PlacierError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
