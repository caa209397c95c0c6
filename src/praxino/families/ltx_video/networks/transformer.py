"""The transformer (Lightricks/LTX-Video, ltx_video/models/transformers; as diffusers' LTXVideoTransformer3DModel).

Of a prediction, all that depends on the text and the places of the tokens alone is the same in every step: a `Scene`
holds it. What a noise level comes to is the same in every run, and kept for the levels that were asked about last.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families.ltx_video.networks.network import Network
from praxino.families.ltx_video.networks.norm import rms_norm
from praxino.families.ltx_video.networks.packed import Beside, GeluLinear, Linear
from praxino.families.ltx_video.networks.time_embed import Pair, TimeEmbed, gelu

BLOCK_EPS, HEAD_EPS = 1e-6, 1e-5
MODULATIONS = 6
"""Shift, scale and gate of the self-attention, and of the feed-forward."""
SCALES = (1, 4)
"""Which of them are scales."""
PERIOD = 10_000.0
BASE = (20.0, 2048.0, 2048.0)
"""Seconds, y and x that are 1 in the rotary positions."""
KEPT_SCENES = 2
"""Of the last calls: a guided step may ask with both texts, and with one of them."""
KEPT_LEVELS = 16
"""Of the last calls. A level takes 24 KiB in the bundled model, and 5 MB in the largest."""
FORBIDDEN = -10_000.0
"""Added to the score of padding."""


@dataclass(frozen=True)
class Config:
    """The fields of the transformer's config.json that its shape depends on."""

    in_channels: int = 128
    out_channels: int = 128
    num_attention_heads: int = 32
    attention_head_dim: int = 64
    cross_attention_dim: int = 2048
    num_layers: int = 28
    caption_channels: int = 4096
    attention_bias: bool = True
    attention_out_bias: bool = True

    @property
    def width(self) -> int:
        """Channels of a token inside."""
        return self.num_attention_heads * self.attention_head_dim


class Scene(NamedTuple):
    """What stays the same throughout the steps of a run."""

    rotary: Tensor
    """(B, N, 1, width / 2) complex64: the turn of each pair of channels."""
    keys_values: list[tuple[Tensor, Tensor]]
    """Of each block's cross-attention: (B, heads, tokens, head_dim) each."""
    mask: Tensor | None
    """(B, 1, 1, tokens), added to scores; None where no token is padding."""


class Levels(NamedTuple):
    """What noise levels come to."""

    blocks: Tensor
    """(n, blocks, 6, C): shift, 1 + scale and gate of the self-attention, and of the feed-forward."""
    last: Tensor
    """(n, 2, C): shift and 1 + scale before the output."""


class Attention(nn.Module):
    """Attention with normalised queries and keys."""

    processor: Callable[..., Tensor] | None = None
    """Stands in for the computation, as in diffusers: called with this module and what it is called with."""

    def __init__(self, config: Config, context: int) -> None:
        super().__init__()
        width, bias = config.width, config.attention_bias
        self.heads = config.num_attention_heads
        self.norm_q, self.norm_k = Scale(width), Scale(width)
        self.to_q = Linear(width, width, bias=bias)
        self.to_k, self.to_v = (Linear(context, width, bias=bias) for _ in range(2))
        self.to_out = nn.ModuleList([Linear(width, width, bias=config.attention_out_bias)])

    def divided(self, x: Tensor) -> Tensor:
        """(B, N, C) as (B, heads, N, C / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def united(self, x: Tensor) -> Tensor:
        """The inverse, and the output projection."""
        return self.to_out[0](x.transpose(1, 2).flatten(2))


class SelfAttention(Attention):
    """Among the tokens of the clip, turned by their places."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.width)
        self.to_qkv = Beside(self.to_q, self.to_k, self.to_v)

    def forward(self, x: Tensor, rotary: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        if self.processor is not None:
            return self.processor(self, x)
        query_key, value = self.to_qkv(x).unflatten(-1, (3, -1)).tensor_split((2,), dim=2)
        query_key = rms_norm(query_key, HEAD_EPS) * torch.stack([self.norm_q.weight, self.norm_k.weight])
        query, key = map(self.divided, _turned(query_key, rotary).unbind(2))
        return self.united(F.scaled_dot_product_attention(query, key, self.divided(value.squeeze(2))))


class CrossAttention(Attention):
    """From the tokens of the clip to those of the text."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.cross_attention_dim)

    def keys_values(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Of the projected text, (B, tokens, C). The weights of the queries' norm are in the keys."""
        keys = self.norm_k(self.to_k(text)) * self.norm_q.weight
        return self.divided(keys).contiguous(), self.divided(self.to_v(text)).contiguous()

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        query = self.divided(rms_norm(self.to_q(x), HEAD_EPS))
        return self.united(F.scaled_dot_product_attention(query, *keys_values, attn_mask=mask))


class Scale(nn.Module):
    """RMS norm with a weight for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C)."""
        return rms_norm(x, HEAD_EPS) * self.weight


class FeedForward(nn.Module):
    """Two layers with a GELU between; `net` has the places of diffusers'."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([nn.ModuleDict({"proj": GeluLinear(width, 4 * width)}), nn.Identity()])
        self.net.append(Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C)."""
        first: Any = self.net[0]
        return self.net[2](first["proj"](x))


class Block(nn.Module):
    """Self-attention, cross-attention and feed-forward, the first and the last modulated by the noise level."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attn1, self.attn2 = SelfAttention(config), CrossAttention(config)
        self.ff = FeedForward(config.width)
        self.scale_shift_table = nn.Parameter(torch.empty(MODULATIONS, config.width))

    def modulations(self, embedded: Tensor) -> Tensor:
        """What embedded levels, (n, 6, C), come to here: see `Levels`."""
        shifts_gates = self.scale_shift_table + embedded
        shifts_gates[:, SCALES] += 1
        return shifts_gates

    def forward(
        self, x: Tensor, level: Tensor, rotary: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> Tensor:
        """(B, N, C) to (B, N, C); `level` is (1 or B, 1 or N, 6, C), see `Levels`."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = level.unbind(2)
        x = torch.addcmul(x, self.attn1(_modulated(x, shift_1, scale_1), rotary), gate_1)
        x = x + self.attn2(x, keys_values, mask)
        return torch.addcmul(x, self.ff(_modulated(x, shift_2, scale_2)), gate_2)


class Transformer(Network):
    """Predicts the velocity of noisy latent tokens."""

    config_class = Config
    narrow_parts = ("transformer_blocks",)
    fixed: ClassVar = {
        "patch_size": 1,
        "patch_size_t": 1,
        "activation_fn": "gelu-approximate",
        "qk_norm": "rms_norm_across_heads",
        "norm_elementwise_affine": False,
        "norm_eps": BLOCK_EPS,
    }

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.proj_in = Linear(config.in_channels, config.width)
        self.scale_shift_table = nn.Parameter(torch.empty(2, config.width))
        self.time_embed = TimeEmbed(config.width, MODULATIONS)
        self.caption_projection = Pair(config.caption_channels, config.width)
        self.transformer_blocks = nn.ModuleList([Block(config) for _ in range(config.num_layers)])
        self.proj_out = Linear(config.width, config.out_channels)
        self._scenes: deque[tuple[tuple[Tensor, ...], Scene]] = deque(maxlen=KEPT_SCENES)
        self._levels: dict[float, Levels] = {}

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        timestep: Tensor,
        encoder_attention_mask: Tensor,
        video_coords: Tensor,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """As diffusers' class. What it made of the text and the places of the last calls is kept."""
        given = encoder_hidden_states, encoder_attention_mask, video_coords
        kept = next((scene for known, scene in self._scenes if all(map(operator.is_, known, given))), None)
        if kept is None:
            kept = self.scene(*given)
            self._scenes.append((given, kept))
        return (self.velocity(hidden_states, timestep, kept),)

    def scene(self, text: Tensor, mask: Tensor, coords: Tensor) -> Scene:
        """What a run's text and places come to.

        Args:
            text: (B, tokens, caption channels).
            mask: (B, tokens), 1 for words and 0 for padding.
            coords: (B, 3, N) seconds, y, x.
        """
        if len(text) == 1 and mask.any():
            text, mask = text[:, mask[0] > 0], mask[:, mask[0] > 0]
        text = self.caption_projection(text, gelu)
        return Scene(
            rotary=rotary_turns(coords, self.config.width)[:, :, None],
            keys_values=[block.attn2.keys_values(text) for block in cast("list[Block]", self.transformer_blocks)],
            mask=None if mask.all() else ((1 - mask.to(text)) * FORBIDDEN)[:, None, None],
        )

    def velocity(self, x: Tensor, timestep: Tensor, scene: Scene) -> Tensor:
        """The velocity of noisy tokens.

        Args:
            x: (B, N, in channels).
            timestep: (B, 1 or N), noise levels in thousandths.
            scene: of these texts and tokens.

        Returns:
            (B, N, out channels).
        """
        levels, of_token = self._at(timestep)
        x = self.proj_in(x)
        for index, block in enumerate(self.transformer_blocks):
            x = block(
                x, _of_tokens(levels.blocks[:, index], of_token), scene.rotary, scene.keys_values[index], scene.mask
            )
        shift, scale = _of_tokens(levels.last, of_token).unbind(2)
        x = F.layer_norm(x, x.shape[-1:], eps=BLOCK_EPS)
        return self.proj_out(torch.addcmul(shift, x, scale))

    def _at(self, timestep: Tensor) -> tuple[Levels, Tensor | None]:
        """The levels of a call, and which of them each token is of, (B, 1 or N); None where there is one.

        They are few: some tokens are held, the others are not.
        """
        if timestep.numel() == 1:
            return self._level(timestep.item()), None
        levels, of_token = timestep.unique(return_inverse=True)
        found = [self._level(level) for level in levels.tolist()]
        return Levels(*(torch.cat(parts) for parts in zip(*found, strict=True))), of_token

    def _level(self, level: float) -> Levels:
        """What one level, in thousandths, comes to: kept, or found now."""
        if (found := self._levels.get(level)) is None:
            modulations, embedded = self.time_embed(self.scale_shift_table.new_tensor([level]))
            blocks = cast("list[Block]", self.transformer_blocks)
            of_blocks = [block.modulations(modulations.unflatten(-1, (MODULATIONS, -1))) for block in blocks]
            shift, scale = (self.scale_shift_table + embedded[:, None]).unbind(1)
            found = Levels(torch.stack(of_blocks, dim=1), torch.stack([shift, 1 + scale], dim=1))
            if len(self._levels) >= KEPT_LEVELS:
                del self._levels[next(iter(self._levels))]
            self._levels[level] = found
        return found


def rotary_turns(coords: Tensor, width: int) -> Tensor:
    """Places (B, 3, N) as the turns of `width` / 2 pairs of channels, (B, N, width / 2) complex.

    The pairs that are left over when each axis has its share come first, and do not turn.
    """
    places = coords.float().transpose(1, 2) / torch.tensor(BASE, device=coords.device)
    exponents = torch.linspace(0, 1, width // 6, dtype=torch.float32, device=coords.device)
    angles = PERIOD**exponents * math.pi / 2 * (places[..., None] * 2 - 1)
    angles = F.pad(angles.transpose(-1, -2).flatten(2), (width // 2 - 3 * (width // 6), 0))
    return torch.polar(torch.ones_like(angles), angles)


def _of_tokens(found: Tensor, of_token: Tensor | None) -> Tensor:
    """(n, ...) of levels as (1 or B, 1 or N, ...) of tokens."""
    return found[:, None] if of_token is None else found[of_token]


def _turned(x: Tensor, rotary: Tensor) -> Tensor:
    """(B, N, 2, C) with its pairs of neighbouring channels turned."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * rotary).flatten(-2)


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(shift, rms_norm(x, BLOCK_EPS), scale)
