"""Whole runs that try other ways of computing, and later ones that use what was faster, with the same pixels."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from praxino import api, settings
from praxino.accel import graphs, paces, trials
from praxino.accel.memory import Memory
from praxino.accel.paces import Pace, Tried
from praxino.accel.plan import Plan
from praxino.engine import fitting, loaded, trying
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.families import families
from praxino.request import Request

MATH = Tried("attention:math", 0.5, 1.0, 1e-7)
FUSED = Tried("fused:qkv", 0.9, 1.0)
PASSES = Tried("passes:1", 0.8, 1.0, 1e-6)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    families()["sd3"].miniature(folder := tmp_path_factory.mktemp("models") / "tiny")
    return str(folder)


@pytest.fixture(autouse=True)
def nothing_is_too_short(monkeypatch):
    """And what is tried hangs on no processor."""
    monkeypatch.setattr(trials, "LEAST_SECONDS", 0.0)
    monkeypatch.setenv("PRAXINO_WITHOUT", "products")
    loaded.forget()


def wish(model, **more):
    return {"prompt": "a red cat", "model": model, "steps": 50, "seed": 3, "dtype": "float32", **more}


def known(model, *tried, **more):
    """As if such a run had tried these."""
    recipe = resolve(Request(**wish(model, **more))).recipe
    kind = paces.kind_of(recipe, "float32", "cpu")
    paces.remember(settings.paces_file(), kind, Pace(tried=tried, tried_all=True))


def told_in(recipe):
    events = []
    frames = [drawn.frames for drawn in draw(recipe, events.append)]
    return frames, [event.note for event in events if event.note]


def test_a_run_tries_every_way_once_and_is_drawn_as_ever(model, monkeypatch):
    recipe = resolve(Request(**wish(model))).recipe
    monkeypatch.setenv("PRAXINO_WITHOUT", "attention,fused,passes,products")
    plain, notes = told_in(recipe)
    assert notes == []
    monkeypatch.setenv("PRAXINO_WITHOUT", "products")
    tried, notes = told_in(recipe)
    assert np.array_equal(tried, plain)
    (note,) = notes
    assert note.endswith("what came of it): fused:qkv, attention:math, passes:1")
    (pace,) = paces.read(settings.paces_file()).values()
    assert pace.tried_all
    assert [(one.name, one.problem) for one in pace.tried] == [
        ("fused:qkv", ""), ("attention:math", ""), ("passes:1", ""),
    ]  # fmt: skip
    assert all(one.seconds > 0 and one.plain > 0 and one.error <= 1e-5 for one in pace.tried)
    _, notes = told_in(recipe)
    assert notes == []


def test_several_runs_try_where_one_is_too_short(model):
    recipe = resolve(Request(**wish(model, steps=20))).recipe
    names = []
    for _ in range(3):
        (note,) = told_in(recipe)[1]
        names.append(note.rpartition(" ")[2])
        assert "not all ways" in resolve(Request(**wish(model, steps=20))).speed[3].why or len(names) == 3
    assert names == ["fused:qkv", "attention:math", "passes:1"]
    assert told_in(recipe)[1] == []


def test_what_was_faster_is_used_kept_in_the_file_and_drawn_again(model, monkeypatch, tmp_path):
    plain = api.generate(**wish(model, steps=4))
    known(model, MATH, FUSED, PASSES)
    found = api.generate(**wish(model, steps=4))
    assert found.recipe.speed == ("attention:math", "fused:qkv", "passes:1")
    assert found.recipe.quality == "exact"
    off = np.abs(found.frames.astype(int) - plain.frames)
    assert off.max() <= 1 and off.mean() < 0.01
    monkeypatch.setenv("PRAXINO_WITHOUT", "attention,fused,passes")
    (again,) = api.replay(found.save(tmp_path / "cat.png"))
    assert np.array_equal(again.frames, found.frames)
    assert resolve(Request(**wish(model, steps=4))).recipe.speed == ()


def test_the_networks_really_compute_so(model):
    known(model, MATH, PASSES)
    called, recipe = [], resolve(Request(**wish(model, steps=4))).recipe
    sdpa = torch.nn.functional.scaled_dot_product_attention

    def noted(query, *rest, **named):
        called.append((query.shape[0], torch.backends.cuda.flash_sdp_enabled()))
        return sdpa(query, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
        draw(recipe, lambda event: None)
    assert (1, False) in called and (2, False) not in called


def test_what_is_not_to_be_had_here_is_said_and_drawn_plainly(model):
    plain = resolve(Request(**wish(model, steps=4))).recipe
    known(model, Tried("attention:sage", 0.1, 1.0))
    recipe = resolve(Request(**wish(model, steps=4))).recipe
    assert recipe.speed == ("attention:sage",)
    frames, (note,) = told_in(recipe)
    assert note.startswith("attention:sage is not to be had here, the denoiser computes plainly: ")
    assert np.array_equal(frames, told_in(plain)[0])


@pytest.mark.parametrize(
    ("given", "plan", "tries"),
    [({}, Plan("resident"), True), ({}, Plan("group"), False), ({}, Plan("resident", "float8"), False),
     ({"speed": ("compile:blocks",)}, Plan("resident"), False)],
)  # fmt: skip
def test_nothing_is_tried_where_nothing_could_be_told(model, given, plan, tries):
    recipe = dataclasses.replace(resolve(Request(**wish(model))).recipe, **given)
    variant = families()["sd3"].identify(Path(model))
    assert (trying._why_not(recipe, variant, plan) == "") is tries


def test_branches_take_turns_where_that_alone_leaves_room(model, monkeypatch):
    monkeypatch.setattr("praxino.accel.weight.decoding_bytes", lambda *args, **named: 0)
    known(model, Tried("passes:1", 1.2, 1.0, 1e-6), steps=4)
    recipe = resolve(Request(**wish(model, steps=4))).recipe
    together, in_turn = (
        fitting.estimates(dataclasses.replace(recipe, speed=speed), "cpu")[0].device_bytes
        for speed in ((), ("passes:1",))
    )
    assert in_turn < together
    speeds = []
    for free in (together, (together + in_turn) // 2, in_turn - 1):
        monkeypatch.setattr(loaded, "memory", lambda device, free=free: Memory(free, free, free, has_own=False))
        speeds.append(resolve(Request(**wish(model, steps=4))).recipe.speed)
    assert speeds == [(), ("passes:1",), ()]


@pytest.mark.parametrize(
    ("problem", "left"),
    [(RuntimeError("no such shape"), ()), (torch.OutOfMemoryError("CUDA out of memory"), ("attention:math",))],
)
def test_ways_that_a_run_failed_with_are_struck_off(model, monkeypatch, problem, left):
    known(model, MATH, FUSED)
    recipe = resolve(Request(**wish(model, steps=4))).recipe
    assert recipe.speed == ("attention:math", "fused:qkv")
    family = families()["sd3"]

    def failing(*args):
        raise problem
        yield

    with monkeypatch.context() as patch:
        patch.setattr(type(family), "denoise", failing)
        events = []
        with pytest.raises((RuntimeError, MemoryError)):
            draw(recipe, events.append)
    blamed = ", ".join(name for name in recipe.speed if name not in left)
    assert f"later runs of this kind do without {blamed}" in [event.note for event in events]
    assert resolve(Request(**wish(model, steps=4))).recipe.speed == left
    draw(recipe, lambda event: None)


class Recorder:
    """Plays by computing again, and at last not at all."""

    def __init__(self, device):
        self.left = 2

    def capture(self, function):
        def replay():
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("illegal memory access")
            return function()

        return replay


def test_a_run_whose_recorded_call_fails_goes_on_and_later_ones_do_without(model, monkeypatch):
    plain = resolve(Request(**wish(model, steps=4))).recipe
    known(model, Tried("graphs:cuda", 0.1, 1.0), MATH)
    recorded = dataclasses.replace(plain, speed=("graphs:cuda",))
    monkeypatch.setattr(graphs, "CudaRecorder", Recorder)
    frames, notes = told_in(recorded)
    assert notes == [
        "a call could not be recorded or played: illegal memory access; the denoiser computes plainly from here",
        "later runs of this kind do without graphs:cuda",
    ]
    assert np.array_equal(frames, told_in(plain)[0])
    (pace,) = paces.read(settings.paces_file()).values()
    assert {one.name: bool(one.problem) for one in pace.tried} == {"graphs:cuda": True, "attention:math": False}


@pytest.mark.parametrize("plan", [Plan("offload"), Plan("group"), Plan("resident", "float8")])
def test_nothing_is_recorded_where_weights_come_and_go(model, plan):
    recipe = dataclasses.replace(resolve(Request(**wish(model))).recipe, speed=("graphs:cuda",))
    variant, notes = families()["sd3"].identify(Path(model)), []
    with trying.in_ways([], recipe, variant, plan, "cpu", notes.append):
        pass
    assert notes == [f"graphs:cuda is left out: the memory plan {plan.name} moves the weights"]
