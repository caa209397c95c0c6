"""The samples that a network is asked for, made one by one."""

from collections import OrderedDict

import torch
from torch import nn

from praxino.accel.passes import in_passes


class Denoiser(nn.Module):
    """Answers with several tensors, and notes how many samples it was asked for."""

    def __init__(self):
        super().__init__()
        self.counts = []

    def forward(self, x, timestep, *, beside=None, places=None, return_dict=True):
        self.counts.append(len(x))
        level = timestep.reshape(-1, 1) if timestep.dim() else timestep
        answer = x * level + beside["pooled"] * len(places)
        many = x.repeat_interleave(3, 0)
        return OrderedDict(sample=answer, frames=many) if return_dict else (answer, many)


def given(count):
    x = torch.arange(2.0 * count).reshape(count, 2)
    return x, {"beside": {"pooled": x + 5, "scale": 2.0}, "places": torch.ones(8, 3)}


def test_each_sample_is_made_alone_with_what_is_its_own():
    network, (x, more) = Denoiser(), given(2)
    for timestep in (torch.tensor(3.0), torch.tensor([3.0, 3.0])):
        together = network(x, timestep, **more)
        with in_passes(network):
            apart, as_tuple = network(x, timestep, **more), network(x, timestep, **more, return_dict=False)
        assert list(apart) == ["sample", "frames"]
        for name, mine in zip(apart, as_tuple, strict=True):
            assert torch.equal(apart[name], together[name]) and torch.equal(mine, together[name])
    assert network.counts == [2, 1, 1, 1, 1] * 2


def test_one_sample_is_as_it_was():
    network, (x, more) = Denoiser(), given(1)
    with in_passes(network):
        network(x, torch.tensor(3.0), **more)
    assert network.counts == [1] and "forward" not in vars(network)
