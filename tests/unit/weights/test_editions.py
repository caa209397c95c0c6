"""What was drawn with an older edition of the bundled model names the edition that it needs."""

import dataclasses

import pytest

from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import UserError
from praxino.request import Request
from praxino.weights.catalog import find
from praxino.weights.editions import POCKET
from praxino.weights.fingerprint import fingerprint


def test_the_edition_that_ships_is_known():
    assert fingerprint(find("pocket").require_path()) in POCKET


def test_a_file_of_another_edition_names_it(monkeypatch):
    recipe = resolve(Request("a rocket flying up", seed=1)).recipe
    monkeypatch.setattr("praxino.weights.catalog.Entry.fingerprint", lambda entry: "0" * 32)
    with pytest.raises(UserError, match=r"\(the first edition of pocket, which Praxino 0\.1 holds\); here is 0000"):
        run(recipe, lambda step: None)
    monkeypatch.setattr("praxino.weights.catalog.Entry.fingerprint", lambda entry: "1" * 32)
    with pytest.raises(UserError, match="'pocket'; here is 1111"):
        run(dataclasses.replace(recipe, revision="2" * 32), lambda step: None)
