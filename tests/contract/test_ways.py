"""Other ways of computing, on every family's miniature: within what exact allows, and as it was afterwards."""

import pytest
import torch

from praxino.accel import graphs, trials
from praxino.accel.compiled import denoisers
from praxino.accel.trials import laid, trying
from praxino.accel.ways import EXACT_ERROR
from praxino.families import families

from .test_compiled import begun

QUICK = ("cogvideox", "flux", "hunyuan-video-i2v", "sd3", "sdxl", "wan")
"""Families of every kind of network; trying in all of them takes minutes."""
MANY_TOKENS = ("framepack",)
"""Its scores of attention are too large for the kernel that holds them."""
NOT_IN_PASSES = ("animatediff", "hotshot-xl")
"""They are given words for every frame of every sample, so that those of one sample cannot be told by their number."""

NOT_RECORDED = {"qwen-image-2.1": "it is told a QwenImage21KVCache, which no graph is made for"}
"""It keeps the keys and values of the words from one step to the next."""
ROUNDED = ("products:int8",)
"""Ways that are no more than near."""


def drawn(family, recipe, pictures, parts):
    *_, state = family.denoise(recipe, parts, pictures, recipe.seed)
    return state.tensors["latents"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in families()]
)
def test_every_way_is_within_exact_and_leaves_no_trace(name, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "LEAST_SECONDS", 0.0)
    family, recipe, pictures, parts = begun(name, tmp_path / "model")
    weights = [list(network.state_dict()) for network in denoisers(parts)]
    plain, tried = drawn(family, recipe, pictures, parts), []
    with trying(parts, 1000, lambda way: way not in ROUNDED, lambda found, is_all: tried.extend(found)):
        assert torch.equal(drawn(family, recipe, pictures, parts), plain)
    assert ("attention:math" in [one.name for one in tried]) is (name not in MANY_TOKENS)
    assert [one.name for one in tried if one.problem] == ["passes:1"] * (name in NOT_IN_PASSES)
    assert max(one.error for one in tried) <= EXACT_ERROR
    with laid(parts, [one.name for one in tried if not one.problem]):
        other = drawn(family, recipe, pictures, parts)
    assert (other - plain).abs().max() <= 1e-3 * plain.abs().max()
    assert [list(network.state_dict()) for network in denoisers(parts)] == weights
    assert torch.equal(drawn(family, recipe, pictures, parts), plain)


class Recorder:
    """Stands in for a GPU's: plays a call by computing it again, in the same places."""

    def __init__(self, device):
        pass

    def capture(self, function):
        CAPTURED.append(function)
        return function


CAPTURED = []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in families()]
)
def test_recorded_calls_are_asked_and_answer_as_ever(name, tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "CudaRecorder", Recorder)
    family, recipe, pictures, parts = begun(name, tmp_path / "model")
    plain, failed = drawn(family, recipe, pictures, parts), []
    CAPTURED.clear()
    with graphs.graphing(parts, failed.append):
        assert torch.equal(drawn(family, recipe, pictures, parts), plain)
    expected = [NOT_RECORDED[name]] if name in NOT_RECORDED else []
    assert [str(problem) for problem in failed] == expected
    assert (0 < len(CAPTURED) <= graphs.MOST_KEPT) is (not expected)
