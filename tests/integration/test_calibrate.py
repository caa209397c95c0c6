"""A miniature calibrated by the command, and drawn fast with what was measured."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner

from praxino import api, settings
from praxino.accel.calibrations import read
from praxino.bench import calibrating
from praxino.bench.likeness import psnr_db, ssim
from praxino.cli.app import app
from praxino.engine.resolve import resolve
from praxino.families import families
from praxino.request import Request
from praxino.weights.fingerprint import fingerprint

SHAPE = {"frames": 5, "steps": 12, "size": "32x32", "guidance": 3.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    families()["wan"].miniature(folder := tmp_path_factory.mktemp("models") / "wan")
    return folder


def command(model, *more):
    shape = [word for name, value in SHAPE.items() for word in (f"--{name}", str(value))]
    return CliRunner().invoke(app, ["calibrate", "-m", str(model), *shape, *more])


def test_what_was_measured_is_what_fast_then_draws(model, monkeypatch):
    monkeypatch.setattr(calibrating, "BOUNDS", {"easy": (0.3,), "first-block": (0.3,), "mag": (0.3,), "taylor": (2,)})
    monkeypatch.setattr(calibrating, "SHARES", (0.25,))
    monkeypatch.setattr(calibrating.Trial, "is_worth_it", property(lambda trial: trial.choice.kind != "easy"))
    done = command(model, "-p", "a red cat", "--device", "cpu")
    assert done.exit_code == 0, done.output
    found = read(settings.calibrations_file())[fingerprint(model)]
    assert f"fast leaves out: {found.kind} {found.bound:g}" in done.output
    assert all(kind in done.output for kind in ("easy", "first-block", "mag", "taylor"))
    assert len(found.ratios) == SHAPE["steps"]
    wish = {"prompt": "a red cat", "model": str(model), "seed": 0, "dtype": "float32", **SHAPE}
    exact, fast = api.generate(**wish), api.generate(**wish, quality="fast")
    assert fast.recipe.speed[0].startswith(f"reuse:{found.kind}/{found.bound:g}/3")
    assert found.ssim == pytest.approx(ssim(fast.frames, exact.frames))
    assert found.psnr_db == pytest.approx(psnr_db(fast.frames, exact.frames))
    told = resolve(Request(**{**wish, "quality": "fast"}), here=False).speed
    assert "calibrated" in next(item.why for item in told if item.name == "reuse")


def test_caches_are_measured_without_recorded_calls(model, monkeypatch):
    recipe = resolve(Request("a red cat", model=str(model), dtype="float32", **SHAPE)).recipe
    drawn = []
    monkeypatch.setattr(calibrating, "run", lambda recipe, heard, device: [drawn.append(recipe)])
    monkeypatch.setattr(calibrating, "KINDS", ("easy",))
    calibrating._Clips([dataclasses.replace(recipe, speed=("attention:math", "graphs:cuda"))], "cpu")
    assert {one.speed for one in drawn} == {("attention:math",)}


@pytest.mark.parametrize("kind", ["easy", "first-block", "taylor"])
def test_every_cache_is_in_the_file_and_drawn_again(model, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_REUSE", f"{kind}/{2 if kind == 'taylor' else 0.5}")
    wish = {"prompt": "a red cat", "model": str(model), "seed": 0, "dtype": "float32", **SHAPE}
    fast = api.generate(**wish, quality="fast")
    path = fast.save(tmp_path / "cat.gif")
    monkeypatch.setenv("PRAXINO_REUSE", "easy/0.01")
    (again,) = api.replay(path)
    assert np.array_equal(again.frames, fast.frames)
    assert fast.recipe.speed[0].startswith("reuse:0.5/3" if kind == "easy" else f"reuse:{kind}/")


@pytest.mark.parametrize(("steps", "why"), [("5", "5 steps are too few"), ("0", "steps")])
def test_what_cannot_be_calibrated_is_refused(model, steps, why):
    done = command(model, "--steps", steps)
    assert done.exit_code != 0
    assert why in str(done.exception) + done.output
    assert not settings.calibrations_file().exists()


def test_a_broken_file_is_as_none(model):
    settings.calibrations_file().parent.mkdir(parents=True, exist_ok=True)
    settings.calibrations_file().write_text(json.dumps({fingerprint(model): {"kind": "warp"}}))
    wish = Request("a red cat", model=str(model), quality="fast", dtype="float32", **SHAPE)
    assert resolve(wish).recipe.speed[0] == "reuse:0.05/3"
