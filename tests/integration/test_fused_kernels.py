"""What torch's compiler makes of the element by element work in a block: one kernel between two products.

Norms with their modulation, norms of queries and keys with their rotation, gated residuals: each is in one kernel with
what lies around it, so that none is written by hand. Counted in the code that is made for a CPU.
"""

import re
from itertools import pairwise

import pytest
import torch

KERNEL = re.compile(r"^\s+(?:buf\d+ = )?(cpp_fused\w*|extern_kernels\.\w+|torch\.ops\.aten\.\w+)", re.MULTILINE)
TOKENS, WIDTH, HEADS = 32, 64, 4


def wan():
    from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed, WanTransformerBlock

    block = WanTransformerBlock(WIDTH, 2 * WIDTH, HEADS, cross_attn_norm=True)
    rotary = WanRotaryPosEmbed(WIDTH // HEADS, (1, 2, 2), TOKENS)(torch.zeros(1, 16, 2, 8, 8))
    return block, torch.randn(1, 6, WIDTH), rotary


def ltx():
    from diffusers.models.transformers.transformer_ltx import LTXVideoRotaryPosEmbed, LTXVideoTransformerBlock

    block = LTXVideoTransformerBlock(WIDTH, HEADS, WIDTH // HEADS, WIDTH)
    rotary = LTXVideoRotaryPosEmbed(WIDTH)(torch.zeros(1, TOKENS, 1), 2, 4, 4, (1.0, 1.0, 1.0))
    return block, torch.randn(1, 1, 6 * WIDTH), rotary


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("made", "num_kernels"), [(wan, 8), (ltx, 10)])
def test_between_two_products_of_a_compiled_block_is_one_kernel(made, num_kernels, tmp_path, monkeypatch):
    from torch._inductor.utils import run_and_get_code

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    torch.manual_seed(0)
    block, levels, rotary = made()
    given = torch.randn(1, TOKENS, WIDTH), torch.randn(1, 5, WIDTH), levels, rotary
    with torch.no_grad():
        plain = block.eval()(*given)
        found, (code,) = run_and_get_code(torch.compile(block), *given)
    calls = ["kernel" if name.startswith("cpp") else "product" for name in KERNEL.findall(code.split("def call(")[-1])]
    torch.compiler.reset()
    assert (found - plain).abs().max() <= 1e-6 * plain.abs().max()
    assert calls.count("kernel") == num_kernels
    assert ("kernel", "kernel") not in pairwise(calls)
