"""Products by oneDNN's operators, against the same roundings calculated in float64."""

import pytest
import torch
import torch.nn.functional as F

from praxino.families._products import linear, linear_bfloat16, linear_int8, rounded

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")


def given(dtype=torch.float32):
    torch.manual_seed(4)
    weight, bias, x = torch.randn(40, 48) / 7, torch.randn(40), torch.randn(2, 9, 48)
    x[0, 3], weight[5] = 0, 0  # nothing to divide by
    x[1, 2] *= 1000  # one token far larger than the others
    return [part.to(dtype) for part in (x, weight, bias)]


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("then", ["none", "gelu"])
def test_float32(packs, then):
    x, weight, bias = given()
    for added in (bias, None):
        wanted = F.linear(x.double(), weight.double(), None if added is None else added.double())
        wanted = F.gelu(wanted, approximate="tanh") if then == "gelu" else wanted
        found = linear(weight, added, then, packs=packs)(x)
        torch.testing.assert_close(found, wanted.float(), atol=1e-5, rtol=1e-5)


def test_bfloat16_is_added_up_in_float32():
    x, weight, bias = given()
    wanted = F.linear(x.bfloat16().double(), weight.bfloat16().double(), bias.bfloat16().double())
    found = linear_bfloat16(weight, bias)(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted.float(), atol=1e-3, rtol=2**-8)
    assert torch.equal(linear_bfloat16(weight, bias, widens=False)(x), found.bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_int8_has_a_scale_for_each_token_and_each_row(dtype):
    x, weight, bias = given(dtype)
    worth_x, worth_w = (t.double().abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127 for t in (x, weight))
    levels_x, levels_w = (x.double() / worth_x).round(), (weight.double() / worth_w).round()
    wanted = F.linear(levels_x * worth_x, levels_w * worth_w, bias.double())
    found = linear_int8(weight, bias)(x)
    assert found.dtype == dtype
    # a value that lies halfway between two levels may be rounded to either
    slack = {"atol": 0.02, "rtol": 1e-3} if dtype == torch.float32 else {"atol": 0.05, "rtol": 2**-7}
    near = (found.double() - wanted).abs() <= slack["atol"] * worth_x * 127 + slack["rtol"] * wanted.abs() + 1e-2
    assert near.all()
    plain = F.linear(x.double(), weight.double(), bias.double())
    off = (found.double() - plain).norm(dim=-1) / plain.norm(dim=-1)
    assert off.max() < 0.02
    assert torch.equal(found, linear_int8(weight, bias)(x))
    assert linear_int8(weight, None)(x)[0, 3].abs().max() == 0


def test_levels_of_inputs_stay_within_a_byte():
    levels, worth = rounded(torch.tensor([[-3.0, 3.0, 0.0, 1.5], [0.0, 0.0, 0.0, 0.0]]))
    assert levels.tolist() == [[1, 255, 128, 192], [128] * 4]
    torch.testing.assert_close(worth[0], torch.tensor([3 / 127]))
