"""Blocks that are compiled while a run lasts. Tracing is torch's; the code is made of plain operators, so quickly."""

from functools import partial

import pytest
import torch
from torch import nn

from praxino.accel import compiled
from praxino.accel.compiled import blocks, compiling


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return x + torch.tanh(self.linear(x))


class Mixed(Block):
    pass


class Denoiser(nn.Module):
    def __init__(self, names=()):
        super().__init__()
        self._repeated_blocks = names
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.levels = nn.ModuleList([Mixed(), nn.Sequential(nn.ModuleList([Mixed(), Mixed()]))])
        self.matrices = nn.ModuleList([nn.Linear(4, 4)])

    def forward(self, x, timestep):
        for block in self.blocks:
            x = block(x)
        return x * timestep


class Upsampler(Block):
    """Is told no noise level."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])


@pytest.fixture
def traced(tmp_path, monkeypatch):
    """Every graph that is compiled, as plain operators."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    torch.compiler.reset()
    monkeypatch.setattr(compiled.torch, "compile", partial(torch.compile, backend=backend))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    yield graphs
    torch.compiler.reset()


def answer(denoiser):
    with torch.no_grad():
        return denoiser(torch.ones(2, 4), 0.5)


def test_blocks_are_those_that_diffusers_names_or_the_outermost_lists_of_one_class():
    denoiser = Denoiser()
    inner = denoiser.levels[1][0]
    assert blocks([denoiser, Upsampler()]) == [*denoiser.blocks, *inner]
    named = Denoiser(["Mixed"])
    assert blocks([named]) == [named.levels[0], *named.levels[1][0]]


def test_all_blocks_of_a_class_are_compiled_once_and_are_plain_again_afterwards(traced, tmp_path):
    denoiser = Denoiser()
    plain = answer(denoiser)
    for _ in range(2):
        with compiling([denoiser], tmp_path, pytest.fail):
            assert torch.equal(answer(denoiser), plain)
        assert all("forward" not in vars(block) for block in denoiser.blocks)
    assert len(traced) == 1


def test_what_lay_over_a_block_lies_there_again(traced, tmp_path):
    denoiser = Denoiser()
    denoiser.blocks[0].forward = own = lambda x: x
    with compiling([denoiser], tmp_path, pytest.fail):
        answer(denoiser)
    assert denoiser.blocks[0].forward is own


def test_blocks_that_cannot_be_compiled_compute_plainly_and_it_is_said_once(monkeypatch, tmp_path):
    def fails(graph, inputs):
        raise OSError("no room for the compiler")

    torch.compiler.reset()
    monkeypatch.setattr(compiled.torch, "compile", partial(torch.compile, backend=fails))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    denoiser, told = Denoiser(), []
    plain = answer(denoiser)
    with compiling([denoiser], tmp_path, told.append):
        assert torch.equal(answer(denoiser), plain)
        assert torch.equal(answer(denoiser), plain)
    assert len(told) == 1 and "no room for the compiler" in told[0]


def test_other_errors_of_a_block_stay_errors(traced, tmp_path):
    denoiser = Denoiser()
    with compiling([denoiser], tmp_path, pytest.fail), pytest.raises(RuntimeError, match="cannot be multiplied"):
        denoiser(torch.ones(2, 5), 0.5)


def test_compiled_code_is_kept_in_its_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    with compiling([], tmp_path, pytest.fail):
        from torch._inductor.runtime.cache_dir_utils import cache_dir

        assert cache_dir() == str(tmp_path)
