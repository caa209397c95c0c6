"""Blocks with a part left out, on blocks small enough to work out by hand."""

import pytest
import torch
from torch import nn

from praxino.families._perturb import Surgery, perturbed


class TwoStreams(nn.Module):
    """A block of video and text side by side, as in HunyuanVideo, Mochi and CogVideoX."""

    def forward(self, hidden_states, encoder_hidden_states, temb=None):
        return hidden_states * 2 + encoder_hidden_states.sum(), encoder_hidden_states * 3


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.processor = "whole"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = Attention()

    def forward(self, hidden_states, encoder_hidden_states):
        return hidden_states + (1 if self.attn.processor == "whole" else 10)


def run(blocks, x, *rest, **named):
    for block in blocks:
        x = block(x, *rest, **named)
    return x


def test_a_block_of_two_streams_gives_both_back_however_it_is_called():
    block, x, text = TwoStreams(), torch.ones(2), torch.full((3,), 5.0)
    before = block(x, text)
    with perturbed(nn.ModuleList([block]), (0,), "transformer-block", Surgery(streams=2)):
        for given in (
            block(x, text),
            block(hidden_states=x, encoder_hidden_states=text),
            block(x, temb=1, encoder_hidden_states=text),
        ):
            assert given[0] is x and given[1] is text
    assert all(torch.equal(one, other) for one, other in zip(before, block(x, text), strict=True))


def test_only_the_named_blocks_are_perturbed_and_all_are_whole_again_after_a_fault():
    blocks, x = nn.ModuleList([Block() for _ in range(4)]), torch.zeros(1)
    surgery = Surgery("attn", {"attention-skip": lambda *given: None})
    with pytest.raises(RuntimeError, match="fault"), perturbed(blocks, (1, 2), "attention-skip", surgery):
        assert run(blocks, x, None).item() == 1 + 10 + 10 + 1
        raise RuntimeError("fault")
    with perturbed(blocks, (1, 3), "transformer-block"):
        assert run(blocks, x, None).item() == 2
    assert run(blocks, x, None).item() == 4
    assert surgery.modes() == ("attention-skip", "transformer-block")


def test_a_block_whose_forward_somebody_else_replaced_gets_that_back():
    block, x = Block(), torch.zeros(1)
    block.forward = lambda hidden_states, encoder_hidden_states: hidden_states + 7
    with perturbed(nn.ModuleList([block]), (0,), "transformer-block"):
        assert block(x, None).item() == 0
    assert block(x, None).item() == 7
