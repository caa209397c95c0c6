"""Whole runs with compiled blocks: measured, decided, written into the recipe, drawn again; warm in another process."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from praxino import api, settings
from praxino.accel import compiled, paces
from praxino.engine import loaded
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.families import families
from praxino.request import Request


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    families()["sd3"].miniature(folder := tmp_path_factory.mktemp("models") / "tiny")
    return str(folder)


@pytest.fixture(autouse=True)
def calls(tmp_path, monkeypatch):
    """Calls of compiled graphs; they are run operator by operator."""
    counted = []

    def backend(graph, inputs):
        def call(*args):
            counted.append(graph)
            return graph(*args)

        return call

    loaded.forget()
    torch.compiler.reset()
    monkeypatch.setattr(compiled.torch, "compile", partial(torch.compile, backend=backend))
    monkeypatch.setattr("praxino.engine.speeding.can_compile", lambda device: True)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "code"))
    yield counted
    torch.compiler.reset()


def wish(model, **more):
    return {"prompt": "a red cat", "model": model, "steps": 4, "seed": 3, "dtype": "float32", **more}


def measured():
    (pace,) = paces.read(settings.paces_file()).values()
    return pace


def known_as_slow():
    """A step takes so long that compiling pays."""
    (kind,) = paces.read(settings.paces_file())
    paces.remember(settings.paces_file(), kind, paces.Pace(plain=1000.0))


def test_a_run_is_measured_then_compiled_and_drawn_again_so(model, calls, tmp_path, monkeypatch):
    exact = api.generate(**wish(model))
    assert (measured().plain > 0, measured().compiled, calls) == (True, 0, [])
    known_as_slow()
    near = api.generate(**wish(model, quality="near"))
    assert near.recipe.speed == ("compile:blocks",)
    assert np.array_equal(near.frames, exact.frames)
    assert len(calls) > 0 and measured().compiled > 0 and measured().first > 0
    monkeypatch.setenv("PRAXINO_WITHOUT", "compile")
    calls.clear()
    api.replay(near.save(tmp_path / "cat.png"))
    assert len(calls) > 0


def test_what_cannot_be_compiled_is_drawn_plainly_said_once_and_remembered(model, monkeypatch):
    def fails(graph, inputs):
        raise OSError("no room for the compiler")

    exact = api.generate(**wish(model))
    known_as_slow()
    monkeypatch.setattr(compiled.torch, "compile", partial(torch.compile.func, backend=fails))
    found, events = resolve(Request(**wish(model, quality="near", n=2))), []
    drawn, _ = draw(found.recipe, events.append)
    assert np.array_equal(drawn.frames, exact.frames)
    (note,) = [event.note for event in events if event.note]
    assert note.startswith("blocks cannot be compiled here, and compute plainly: ")
    assert measured().failed


def test_a_recipe_with_compiled_blocks_is_drawn_where_nothing_compiles(model, monkeypatch, calls):
    api.generate(**wish(model))
    known_as_slow()
    recipe, events = resolve(Request(**wish(model, quality="near"))).recipe, []
    monkeypatch.setattr("praxino.engine.speeding.can_compile", lambda device: False)
    draw(recipe, events.append)
    assert [event.note for event in events if event.note] == ["blocks are not compiled: there is no compiler for cpu"]
    assert calls == []


TWO_BLOCKS = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from torch._dynamo.utils import counters
from praxino.accel.compiled import compiling

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
    def forward(self, x):
        return x + torch.tanh(self.norm(x))

class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
    def forward(self, x, timestep):
        return self.blocks[1](self.blocks[0](x))

torch.manual_seed(0)
denoiser, x, failed = Denoiser(), torch.randn(2, 8), []
with torch.no_grad():
    plain = denoiser(x, 0)
    with compiling([denoiser], Path(sys.argv[1]), failed.append):
        off = (denoiser(x, 0) - plain).abs().max().item()
found = counters["inductor"]
print(json.dumps([found["fxgraph_cache_miss"], found["fxgraph_cache_hit"], counters["aot_autograd"].get(
    "autograd_cache_hit", 0), off, failed]))
"""


@pytest.mark.slow
def test_the_second_process_compiles_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    told = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", TWO_BLOCKS, str(tmp_path / "kept")], capture_output=True, text=True, check=True
        )
        told.append(json.loads(run.stdout.splitlines()[-1]))
    (cold, warm) = told
    assert cold[:3] == [1, 0, 0]
    assert warm[0] == 0 and warm[1] + warm[2] > 0
    assert all(one[3] < 1e-6 and one[4] == [] for one in told)
