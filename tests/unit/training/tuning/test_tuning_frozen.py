"""Frozen layers in eight bits against float64."""

import pytest
import torch
from torch import nn

from praxino.training.tuning.frozen import Float8Linear, dense, keep_in_float8


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(48, 64), nn.Linear(64, 24, bias=False)])
    layers[0].weight.data *= torch.logspace(-6, 2, 64)[:, None]
    network = nn.ModuleDict({"before": nn.Linear(48, 48), "blocks": layers})
    return network.requires_grad_(False)


def test_each_weight_is_off_by_a_sixteenth_at_most_whatever_its_row(network):
    before = [layer.weight.clone() for layer in network["blocks"]]
    keep_in_float8(network)
    for layer, weight in zip(network["blocks"], before, strict=True):
        assert isinstance(layer, Float8Linear) and layer.weight.element_size() == 1
        found = dense(layer.weight, layer.scale, torch.float64)
        normal = weight.abs() > weight.abs().amax(1, keepdim=True) * 2**-14
        assert ((found - weight.double()).abs() / weight.double().abs())[normal].max() <= 2**-4 * 1.001
    assert type(network["before"]) is nn.Linear


@pytest.mark.parametrize("autocast", [False, True])
def test_answer_and_gradient_are_those_of_the_dense_matrix(network, autocast):
    keep_in_float8(network)
    layer = network["blocks"][0]
    x = torch.randn(5, 48, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        answer = layer(x)
    answer.float().square().sum().backward()
    assert answer.dtype == (torch.bfloat16 if autocast else torch.float32) and x.grad.dtype == torch.float32
    matrix = dense(layer.weight, layer.scale, torch.float64)
    exact = x.detach().double().requires_grad_(True)
    wanted = exact @ matrix.T + layer.bias.double()
    wanted.square().sum().backward()
    tolerance = 0.02 if autocast else 1e-5
    assert (answer - wanted).norm() < tolerance * wanted.norm()
    assert (x.grad - exact.grad).norm() < tolerance * exact.grad.norm()


def test_what_is_trained_stays(network):
    network["blocks"][1].weight.requires_grad_(True)
    keep_in_float8(network)
    assert type(network["blocks"][1]) is nn.Linear and network["blocks"][1].weight.dtype == torch.float32
