"""Which products a denoiser's layers may have, and that they have them only while they are to."""

import pytest
import torch
from torch import nn

from praxino.accel import products
from praxino.accel.products import kinds, multiplying
from praxino.families._products import FEWEST_ROWS


class Own(nn.Linear):
    def forward(self, input):
        return super().forward(input) + 1


@pytest.fixture
def network():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(64, 96), nn.GELU(), Own(96, 96), nn.Linear(96, 32)).requires_grad_(False)


@pytest.fixture(autouse=True)
def able(monkeypatch):
    monkeypatch.setattr(products, "cpu_multiplies_int8", lambda: True)


@pytest.mark.parametrize(("kind", "most"), [("onednn", 1e-5), ("int8", 0.02)])
def test_layers_multiply_in_another_way_for_a_while(network, kind, most):
    x = torch.randn(2, FEWEST_ROWS, 64)
    plain = network(x)
    with multiplying(network, kind):
        found = network(x)
        assert torch.equal(network(x), found)
        assert "forward" in vars(network[0]) and "forward" not in vars(network[2])
    off = ((found - plain).abs().max() / plain.abs().max()).item()
    assert off <= most
    assert off > 0 or kind == "onednn"
    assert torch.equal(network(x), plain)
    assert not any("forward" in vars(layer) for layer in network)


def test_a_layer_may_be_called_with_its_input_by_name(network):
    x = torch.randn(2, FEWEST_ROWS, 64)
    with multiplying(network, "onednn"):
        assert torch.equal(network[0](input=x), network[0](x))


def test_a_few_tokens_are_multiplied_plainly(network):
    x = torch.randn(FEWEST_ROWS - 1, 64)
    plain = network(x)
    with multiplying(network, "int8"):
        assert torch.equal(network(x), plain)


def test_layers_are_as_they_were_where_one_cannot_be_laid_out(network, monkeypatch):
    def refuses(weight, bias):
        if weight.shape[0] == 32:
            raise RuntimeError("no such operator")
        return lambda x: x

    monkeypatch.setattr(products, "linear_int8", refuses)
    with pytest.raises(RuntimeError, match="no such operator"), multiplying(network, "int8"):
        pass
    assert not any("forward" in vars(layer) for layer in network)


@pytest.mark.parametrize("kind", ["onednn", "int8", "bfloat16"])
def test_networks_that_lie_elsewhere_or_have_no_such_products_are_told_of(network, kind):
    with pytest.raises(RuntimeError), multiplying(network.to("meta"), kind):
        pass


def test_what_is_tried(network, monkeypatch):
    assert kinds(network, "cpu") == ["onednn", "int8"]
    assert kinds(network.bfloat16(), "cpu") == ["int8"]
    assert kinds(network, "cuda") == kinds(nn.Sequential(nn.GELU()), "cpu") == []
    monkeypatch.setattr(products, "main_memory", lambda: (1000, 1000))
    assert kinds(network, "cpu") == []
    monkeypatch.undo()
    monkeypatch.setattr(products, "cpu_multiplies_int8", lambda: False)
    assert kinds(network.float(), "cpu") == ["onednn"]
