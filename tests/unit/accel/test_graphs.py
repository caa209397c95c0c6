"""Calls recorded and played again: by a recorder that computes them again in the same places, and by a GPU's own."""

import dataclasses
import gc
import weakref
from collections import OrderedDict

import pytest
import torch
from torch import nn

from praxino.accel import graphs
from praxino.accel.graphs import MOST_KEPT, MOST_RECORDED, graphed, graphing
from praxino.families._perturb import perturbed

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Recorder:
    """As a GPU's: what is played goes by the numbers in the same places, and answers in the same tensors."""

    def __init__(self, device):
        self.fails, self.made = [], []

    def capture(self, function):
        if "capture" in RECORDERS.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        static = function()
        RECORDERS.captured += 1
        RECORDERS.statics.append(weakref.ref(static["sample"]))

        def replay():
            if "replay" in RECORDERS.fails:
                raise RuntimeError("illegal memory access")
            for old, new in zip(graphs.tensors_of(static), graphs.tensors_of(function()), strict=True):
                old.copy_(new)
            return static

        return replay


@dataclasses.dataclass
class Recorders:
    captured: int = 0
    fails: tuple = ()
    statics: list = dataclasses.field(default_factory=list)


RECORDERS = Recorders()


@pytest.fixture
def recorders(monkeypatch):
    global RECORDERS
    RECORDERS = Recorders()
    monkeypatch.setattr(graphs, "CudaRecorder", Recorder)
    with torch.no_grad():
        yield RECORDERS


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return x + torch.tanh(self.layer(x))


class Denoiser(nn.Module):
    """Answers with several tensors and a number; counts its calls of Python."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.calls = 0

    def forward(self, x, timestep, *, beside=None, scale=1.0, answer=None):
        self.calls += 1
        x = x * timestep.reshape(-1, 1) + (beside["pooled"] if beside else 0.0)
        for block in self.blocks:
            x = block(x)
        return OrderedDict(sample=scale * x, more=(x.mean(0), None, 7), other=answer)


def asked(seed, count=2):
    torch.manual_seed(seed)
    x, level = torch.randn(count, 4), torch.rand(1).expand(count)
    return (x, level), {"beside": {"pooled": torch.randn(count, 4)}, "scale": 2.0}


def same(one, other):
    one, other = graphs.tensors_of(one), graphs.tensors_of(other)
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_each_question_gets_its_own_answer_and_answers_stay(recorders):
    network = Denoiser()
    expected = [network(*args, **kwargs) for args, kwargs in map(asked, range(5))]
    with graphed(network):
        found = [network(*args, **kwargs) for args, kwargs in map(asked, range(5))]
    assert recorders.captured == 1
    assert all(map(same, found, expected))
    assert found[0]["more"][1:] == (None, 7) and found[0]["other"] is None
    assert "forward" not in vars(network)


def test_what_is_asked_is_not_written_into(recorders):
    network, (args, kwargs) = Denoiser(), asked(0)
    before = [tensor.clone() for tensor in graphs.tensors_of((args, kwargs))]
    with graphed(network):
        network(*args, **kwargs)
        network(*asked(1)[0], **asked(1)[1])
    assert same((args, kwargs), before)


@pytest.mark.parametrize(
    "other",
    [
        lambda args, kwargs: ((args[0][:1], args[1][:1]), {**kwargs, "beside": None}),
        lambda args, kwargs: (args, {**kwargs, "scale": 3.0}),
        lambda args, kwargs: (args, {**kwargs, "beside": None}),
        lambda args, kwargs: ((args[0].T.contiguous().T, args[1]), kwargs),
        lambda args, kwargs: ((args[0], args[1].contiguous()), kwargs),
        lambda args, kwargs: ((args[0], args[1].half()), kwargs),
    ],
)
def test_a_call_of_another_kind_is_recorded_for_itself(recorders, other):
    network, calls = Denoiser(), [asked(0), other(*asked(0))]
    expected = [network(*args, **kwargs) for args, kwargs in calls]
    with graphed(network):
        for _ in range(2):
            assert all(same(network(*args, **kwargs), one) for (args, kwargs), one in zip(calls, expected, strict=True))
    assert recorders.captured == 2


def test_few_graphs_are_kept_and_few_recorded(recorders):
    network = Denoiser()
    with graphed(network):
        for scale in range(MOST_KEPT + 1):
            network(*asked(0)[0], scale=float(scale))
        network(*asked(0)[0], scale=float(MOST_KEPT))
        assert recorders.captured == MOST_KEPT + 1
        network(*asked(0)[0], scale=0.0)
        assert recorders.captured == MOST_KEPT + 2
        gc.collect()
        assert sum(static() is not None for static in recorders.statics) == MOST_KEPT
        for scale in range(100, 100 + MOST_RECORDED):
            found = network(*asked(0)[0], scale=float(scale))
        assert recorders.captured == MOST_RECORDED
    assert same(found, network(*asked(0)[0], scale=float(scale)))


def test_nothing_is_left_of_it_afterwards(recorders):
    network, (args, kwargs) = Denoiser(), asked(0)
    with graphed(network):
        network(*args, **kwargs)
        assert recorders.statics[0]() is not None
    gc.collect()
    assert recorders.statics[0]() is None


def moved(network):
    network.blocks[0].layer.weight.data = network.blocks[0].layer.weight.data + 1


def another(network):
    network.blocks[1] = Block()


def through(network):
    network.blocks[0].forward = lambda x: -x


@pytest.mark.parametrize("change", [moved, another, through])
def test_a_network_that_changed_is_recorded_anew(recorders, change):
    network, (args, kwargs) = Denoiser(), asked(0)
    with graphed(network):
        network(*args, **kwargs)
        change(network)
        found = network(*args, **kwargs)
    assert same(found, network(*args, **kwargs))
    assert recorders.captured == 2


def test_perturbed_blocks_are_never_played_as_whole_ones(recorders):
    network, (args, kwargs) = Denoiser(), asked(0)
    whole = network(*args, **kwargs)
    with perturbed(network.blocks, [1], "transformer-block"):
        expected = network(*args, **kwargs)
    with graphed(network):
        assert same(network(*args, **kwargs), whole)
        with perturbed(network.blocks, [1], "transformer-block"):
            assert same(network(*args, **kwargs), expected)
        assert same(network(*args, **kwargs), whole)
    assert not same(whole, expected)


@pytest.mark.parametrize("place", ["capture", "replay"])
def test_what_fails_is_told_once_and_computed_plainly(recorders, place):
    network, told = Denoiser(), []
    expected = [network(*args, **kwargs) for args, kwargs in map(asked, range(3))]
    with graphed(network, told.append):
        found = [network(*asked(0)[0], **asked(0)[1])]
        recorders.fails = (place,)
        network.blocks[0].forward = network.blocks[0].forward  # another function: recorded anew
        found += [network(*args, **kwargs) for args, kwargs in map(asked, (1, 2))]
    assert all(map(same, found, expected))
    assert [str(problem)[:7] for problem in told] == ["operati" if place == "capture" else "illegal"]


def test_what_fails_is_raised_where_nobody_is_told(recorders):
    recorders.fails, network = ("capture",), Denoiser()
    with graphed(network), pytest.raises(RuntimeError, match="not permitted"):
        network(*asked(0)[0])


def hooked(network):
    network.blocks[0].register_forward_hook(lambda *_: None)
    return asked(0)


def by_diffusers(network):
    from diffusers.hooks import HookRegistry, ModelHook

    HookRegistry.check_if_exists_or_initialize(network.blocks[0]).register_hook(ModelHook(), "a")
    return asked(0)


def answers_with_itself(network):
    (args, kwargs) = asked(0)
    return args, {**kwargs, "answer": network}


def elsewhere(network):
    (x, level), kwargs = asked(0)
    return (x.to("meta"), level), kwargs


@pytest.mark.parametrize(
    ("prepare", "why"),
    [(hooked, "have hooks"), (by_diffusers, "have hooks"), (answers_with_itself, "told a Denoiser"),
     (elsewhere, "not on cpu")],
)  # fmt: skip
def test_what_no_graph_knows_is_refused(recorders, prepare, why):
    network = Denoiser()
    args, kwargs = prepare(network)
    with graphed(network), pytest.raises(RuntimeError, match=why):
        network(*args, **kwargs)
    assert recorders.captured == 0


class TakesNumber(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, timestep):
        return self.layer(x) * timestep


def test_a_noise_level_out_of_python_is_refused(recorders):
    with graphed(network := TakesNumber()), pytest.raises(RuntimeError, match="noise level"):
        network(torch.ones(2, 4), 3.0)


def test_where_there_are_gradients_or_number_formats_are_chosen_it_is_plain(recorders):
    network, (args, kwargs) = Denoiser(), asked(0)
    with graphed(network):
        with torch.enable_grad():
            assert network(*args, **kwargs)["sample"].requires_grad
        with torch.autocast("cpu", torch.bfloat16):
            network(*args, **kwargs)
    assert recorders.captured == 0


def test_every_denoiser_is_recorded(recorders):
    parts = [Denoiser(), Denoiser(), nn.Linear(1, 1)]
    with graphing(parts, lambda problem: pytest.fail(str(problem))):
        for network in parts[:2]:
            network(*asked(0)[0])
    assert recorders.captured == 2


def test_there_are_none_on_a_cpu():
    with pytest.raises(RuntimeError, match="this network is on cpu"), graphed(Denoiser()):
        pytest.fail("a CPU has no graphs")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_answers_with_the_same_bits_twenty_times(dtype):
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(0)
    network = SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=4,
        joint_attention_dim=32, caption_projection_dim=64, pooled_projection_dim=64, out_channels=4,
    ).to(GPU, dtype).eval()  # fmt: skip

    def question(seed):
        made = torch.Generator().manual_seed(seed)
        shapes = {"hidden_states": (2, 4, 16, 16), "encoder_hidden_states": (2, 9, 32), "pooled_projections": (2, 64)}
        given = {name: torch.randn(shape, generator=made).to(GPU, dtype) for name, shape in shapes.items()}
        return {**given, "timestep": torch.tensor(1000.0 - seed, device=GPU).expand(2), "return_dict": seed % 2 == 0}

    with torch.no_grad():
        expected = [network(**question(seed)) for seed in range(20)]
        with graphed(network):
            found = [network(**question(seed)) for seed in range(20)]
    assert all(map(same, found, expected))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_a_gpu_goes_on_after_a_call_that_cannot_be_recorded():
    network, told = nn.Linear(4, 4).to(GPU), []
    plain = network.forward
    network.forward = lambda x: plain(x) * x.sum().item()
    x = torch.ones(2, 4, device=GPU)
    with torch.no_grad():
        expected = network(x)
        with graphed(network, told.append):
            assert torch.equal(network(x), expected) and torch.equal(network(x), expected)
        assert torch.equal(network(x), expected)
    assert len(told) == 1
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
