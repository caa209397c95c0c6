"""T5's encoder (Raffel et al. 2020, arXiv 1910.10683; as transformers' T5EncoderModel)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families.ltx_video.networks.network import Network
from praxino.families.ltx_video.networks.norm import rms_norm
from praxino.families.ltx_video.networks.packed import Beside, Linear
from praxino.families.ltx_video.networks.time_embed import gelu

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"gated-gelu": gelu, "relu": F.relu}
"""By `feed_forward_proj`."""


@dataclass(frozen=True)
class Config:
    """The fields of the encoder's config.json that its shape depends on."""

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: Literal["relu", "gated-gelu"] = "relu"


class Norm(nn.Module):
    """RMS norm with a weight for each channel."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.empty(config.d_model)), config.layer_norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(..., C)."""
        return rms_norm(x, self.eps) * self.weight


class SelfAttention(nn.Module):
    """Attention whose scores are not scaled, and have a term of their distance. The first layer's is every layer's."""

    def __init__(self, config: Config, first: bool) -> None:
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.config = config
        self.q, self.k, self.v = (Linear(config.d_model, inner, bias=False) for _ in range(3))
        self.o = Linear(inner, config.d_model, bias=False)
        self.qkv = Beside(self.q, self.k, self.v)
        if first:
            self.relative_attention_bias = _table(config.relative_attention_num_buckets, config.num_heads)

    def distances(self, length: int) -> Tensor:
        """(1, heads, length, length), added to scores."""
        places = torch.arange(length, device=self.relative_attention_bias.weight.device)
        buckets = bucket(places[None] - places[:, None], self.config)
        return self.relative_attention_bias(buckets).permute(2, 0, 1)[None]

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        query, key, value = (
            part.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)
        )
        looked = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        return self.o(looked.transpose(1, 2).flatten(2))


class Dense(nn.Module):
    """The feed-forward layer, gated or not."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.feed_forward_proj]
        if config.feed_forward_proj.startswith("gated"):
            self.wi_0, self.wi_1 = (Linear(config.d_model, config.d_ff, bias=False) for _ in range(2))
        else:
            self.wi = Linear(config.d_model, config.d_ff, bias=False)
        self.wo = Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C)."""
        if hasattr(self, "wi"):
            return self.wo(self.activation(self.wi(x)))
        return self.wo(self.activation(self.wi_0(x)) * self.wi_1(x))


class Layer(nn.Module):
    """A norm and what comes after it, added to what is given."""

    def __init__(self, config: Config, **inner: nn.Module) -> None:
        super().__init__()
        ((name, module),) = inner.items()
        self.add_module(name, module)
        self.name = name
        self.layer_norm = Norm(config)

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        return x + self.get_submodule(self.name)(self.layer_norm(x), *more)


class Block(nn.Module):
    """Attention, then feed-forward."""

    def __init__(self, config: Config, first: bool) -> None:
        super().__init__()
        attention = Layer(config, SelfAttention=SelfAttention(config, first))
        self.layer = nn.ModuleList([attention, Layer(config, DenseReluDense=Dense(config))])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        return self.layer[1](self.layer[0](x, bias))


class TextEncoder(Network):
    """Token ids to states. The output layer of a whole T5, where a checkpoint has one, is left."""

    config_class = Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shared = _table(config.vocab_size, config.d_model)
        self.encoder = nn.Module()
        self.encoder.block = nn.ModuleList([Block(config, first=index == 0) for index in range(config.num_layers)])
        self.encoder.final_layer_norm = Norm(config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        """(B, N) ids and mask (1 for words, 0 for padding) to (B, N, C)."""
        blocks = cast("list[Any]", self.encoder.block)
        x = self.shared(input_ids)
        bias = blocks[0].layer[0].SelfAttention.distances(input_ids.shape[1])
        bias = bias.masked_fill(attention_mask[:, None, None] == 0, torch.finfo(bias.dtype).min)
        for block in blocks:
            x = block(x, bias)
        return (cast("nn.Module", self.encoder.final_layer_norm)(x),)


def bucket(distance: Tensor, config: Config) -> Tensor:
    """The bucket of a distance in tokens: near ones have their own, far ones share, of either sign half of them."""
    half = config.relative_attention_num_buckets // 2
    near = half // 2
    size = distance.abs()
    far = (
        near
        + (
            torch.log(size.float() / near) / math.log(config.relative_attention_max_distance / near) * (half - near)
        ).long()
    )
    return (distance > 0).long() * half + torch.where(size < near, size, far.clamp(max=half - 1))


def _table(rows: int, width: int) -> nn.Embedding:
    """An embedding whose weights are not drawn."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width))
