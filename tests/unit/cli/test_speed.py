"""--explain, and what doctor tells of speed."""

import json

import pytest

from praxino import settings
from praxino.accel.calibrations import Calibration, keep
from praxino.accel.paces import Pace, Tried, kind_of, remember
from praxino.engine.resolve import resolve
from praxino.families import families
from praxino.request import Request


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["sd3"].miniature(folder)
    return str(folder)


def test_explain_tells_every_means_and_draws_nothing(praxino, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = praxino("a cat", "-m", model, "--quality", "fast", "--steps", "20", "--dtype", "float32", "--explain")
    assert (said.code, said.err) == (0, "")
    head, heads, *rows = said.out.splitlines()
    assert head == f"{model}, 20 steps, quality fast, float32"
    assert heads.split() == ["MEANS", "FROM", "WHY", "ERROR"]
    assert {row[3:].split()[0]: row.startswith("*") for row in rows} == {
        "answers": True, "own": False, "bfloat16": False, "attention": False, "fused": False, "passes": False,
        "products": False, "graphs": False, "compile": False, "quantised": False, "reuse": True, "unguided": False,
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_explain_as_json(praxino, model):
    told = json.loads(praxino("a cat", "-m", model, "--explain", "--json").out)
    assert (told["quality"], told["speed"]) == ("exact", [])
    assert {means["name"]: means["why"] for means in told["means"]}["reuse"] == "of quality fast; exact is asked for"


def test_explain_is_about_this_machine(praxino):
    said = praxino("a cat", "--explain", "--server", "http://127.0.0.1:1")
    assert (said.code, "--explain is about this machine" in said.err) == (2, True)


def test_a_quality_that_makes_nothing_faster_is_drawn_as_exact(praxino, model):
    told = json.loads(
        praxino("a cat", "-m", model, "--quality", "near", "--dtype", "float32", "--explain", "--json").out
    )
    assert (told["quality"], told["speed"]) == ("exact", [])


def test_doctor_tells_of_speed(praxino, monkeypatch):
    monkeypatch.setenv("PRAXINO_WITHOUT", "reuse")
    monkeypatch.setattr("praxino.engine.speeding.can_compile", lambda device: False)
    told = json.loads(praxino("doctor", "--json").out)["speeds"]
    assert told["exact"] == "answers of text encoders are kept, 0 in 0 B of 2.0 GB"
    assert told["near"].endswith("; there is nothing to compile blocks with")
    assert told["switched off"] == "reuse"
    assert "speed" in praxino("doctor").out


def test_explain_tells_what_was_tried(praxino, model):
    recipe = resolve(Request("a cat", model=model, dtype="float32")).recipe
    tried = (Tried("attention:math", 3.0, 2.0, 1e-7), Tried("fused:qkv", 0.9, 1.0))
    kind = kind_of(recipe, "float32", "cpu")
    remember(settings.paces_file(), kind, Pace(tried=tried, tried_all=True))
    told = json.loads(praxino("a cat", "-m", model, "--dtype", "float32", "--explain", "--json").out)
    means = {one["name"]: (one["is_on"], one["why"]) for one in told["means"]}
    assert means["attention"] == (False, "attention:math took 3 s, 2 s plainly, off by 1e-07")
    assert means["fused"] == (True, "qkv: a call took 0.9 s, 1 s plainly")
    assert means["passes"] == (False, "there is no other way for these networks")


def test_doctor_tells_what_was_tried(praxino):
    assert json.loads(praxino("doctor", "--json").out)["speeds"]["tried"].startswith("no other way of computing yet")
    tried = (Tried("attention:math", 3.0, 4.0), Tried("attention:sage", problem="no kernel"))
    for kind in ("a", "b"):
        remember(settings.paces_file(), kind, Pace(tried=tried))
    assert json.loads(praxino("doctor", "--json").out)["speeds"]["tried"] == (
        "attention:math faster in 2 of 2 kinds of runs, by 25% at most; attention:sage faster in 0 of 2 kinds of runs"
    )


def test_doctor_tells_what_was_calibrated(praxino):
    assert "praxino calibrate measures" in json.loads(praxino("doctor", "--json").out)["speeds"]["fast"]
    measured = Calibration("taylor", 3, 0, (), 0.3, 0.95, 32.0, 2.1)
    keep(settings.calibrations_file(), "a", measured)
    assert json.loads(praxino("doctor", "--json").out)["speeds"]["fast"].endswith("was measured on 1 checkpoint")
    keep(settings.calibrations_file(), "b", measured)
    assert json.loads(praxino("doctor", "--json").out)["speeds"]["fast"].endswith("was measured on 2 checkpoints")
