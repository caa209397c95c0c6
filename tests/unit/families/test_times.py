"""Sines and cosines of times, beside diffusers' own and float64."""

import math

import pytest
import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps

from praxino.families._times import TimeWaves, with_exact_waves


@pytest.mark.parametrize("cosine_first", [True, False])
@pytest.mark.parametrize("shift", [0, 1])
def test_they_are_diffusers_but_for_the_last_digit_of_the_frequencies(cosine_first, shift):
    usual, ours = Timesteps(64, cosine_first, shift, scale=2), TimeWaves(64, cosine_first, shift, scale=2)
    for time in (0.0, 1.0, 719.0, 6016.0):
        given = torch.tensor([time, time / 2])
        assert torch.allclose(ours(given), usual(given), rtol=0, atol=5e-7 * max(time, 1))


def test_frequencies_are_rounded_once():
    exponents = -math.log(10000) * torch.arange(16, dtype=torch.float32) / 16
    exact = torch.tensor([math.exp(float(exponent)) for exponent in exponents])
    assert torch.equal(TimeWaves(32, True, 0).frequencies, exact)


def test_every_one_of_a_network_is_replaced_and_its_weights_stay():
    network = torch.nn.ModuleDict({"proj": Timesteps(8, True, 0), "embed": TimestepEmbedding(8, 4)})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert with_exact_waves(network) is network
    assert isinstance(network["proj"], TimeWaves)
    network.to(torch.bfloat16)
    assert network["proj"].frequencies.dtype == network["proj"](torch.tensor([1.0])).dtype == torch.float32
    assert list(network.state_dict()) == list(before)
