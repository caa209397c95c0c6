"""What LoRAs add is computed where the layer is: plans bring layers to a device after LoRAs were laid over them."""

import pytest
import torch

from praxino.families import _low_rank
from praxino.families.flux import lora as flux
from praxino.families.wan import lora as wan

A, B, BIAS = torch.ones(2, 4), torch.ones(3, 2), torch.ones(3)
LAID = {
    "low-rank": lambda linear: _low_rank.lay(linear, A, B),
    "flux": lambda linear: flux._add(linear, flux.Layer(False, A, B, bias=BIAS), 1.0),
    "wan": lambda linear: wan._add(linear, {"A": A, "B": B}, 1.0),
}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: a layer has nowhere to go")
@pytest.mark.parametrize("name", LAID)
def test_a_lora_follows_its_layer_to_another_device(name):
    linear, x = torch.nn.Linear(4, 3), torch.ones(1, 4)
    LAID[name](linear)
    here = linear(x)
    assert torch.allclose(linear.to("cuda")(x.to("cuda")).cpu(), here)
