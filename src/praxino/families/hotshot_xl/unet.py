"""The network: diffusers' UNetMotionModel, mended in the places where Hotshot-XL computes something else.

- The norms of the resnets and the last norm take their statistics over all frames of a clip (diffusers: per frame).
- The norm that opens a temporal layer takes its statistics per frame (diffusers: over all frames).
- A clip of one frame passes the temporal layers by (diffusers: they run all the same), so that it equals SDXL.
- Position encodings are worked out in float32 (diffusers: as they lie in the file, where float16 has rounded them).

Weights have diffusers' names. Source: hotshotco/Hotshot-XL at cc01f7f, hotshot_xl/models/{resnet,unet,
transformer_temporal}.py. Knows tensors and names, not files.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D, UNetMotionModel
from torch import Tensor, nn

from praxino.errors import ModelError
from praxino.families.hotshot_xl.weights import shortened

MAX_FRAMES = 24
"""Length of the position encodings."""
TEMPORAL_HEADS = 8
TEMPORAL = ".motion_modules."
"""In the names of temporal layers."""
POSITIONS = "attention_blocks.0.pos_encoder.positional_encoding"
RENAMED = (
    (".temporal_attentions.", TEMPORAL),
    (POSITIONS, "pos_embed.pe"),
    ("attention_blocks.0.", "attn1."),
    ("attention_blocks.1.", "attn2."),
    (".norms.0.", ".norm1."),
    (".norms.1.", ".norm2."),
    (".ff_norm.", ".norm3."),
)
"""The original's names in temporal layers, and diffusers'."""
PE_TOLERANCE = 0.01
"""More than bfloat16 rounds off numbers up to 1."""


class ClipNorm(nn.GroupNorm):
    """A GroupNorm of (B x F, C, H, W) whose statistics are those of all F frames of a clip."""

    num_frames = 1
    """F; set before each pass."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalised, of the same shape."""
        if self.num_frames == 1:
            return super().forward(input)
        clips = input.unflatten(0, (-1, self.num_frames)).transpose(1, 2)
        return super().forward(clips).transpose(1, 2).flatten(0, 1)


class FrameNorm(nn.GroupNorm):
    """A GroupNorm of (B, C, F, H, W) whose statistics are those of each frame."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalised, of the same shape."""
        frames = input.transpose(1, 2)
        return super().forward(frames.flatten(0, 1)).view(frames.shape).transpose(1, 2)


class TemporalLayer(AnimateDiffTransformer3D):
    """A temporal layer that leaves a single frame alone."""

    def forward(self, hidden_states: Tensor, *args: Any, num_frames: int = 1, **kwargs: Any) -> Tensor:
        """Of (B x F, C, H, W), the same shape."""
        if num_frames == 1:
            return hidden_states
        return super().forward(hidden_states, *args, num_frames=num_frames, **kwargs)


def build(config: Mapping[str, Any], tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> UNetMotionModel:
    """The network of a config of any of the three classes, filled with tensors of diffusers' names.

    Args:
        config: of UNet3DConditionModel (the original's), UNet2DConditionModel or UNetMotionModel.
        tensors: every weight.
        dtype: the number format; None keeps that of the tensors.

    Raises:
        ModelError: a weight is missing, has another shape, or is one too many.
    """
    with torch.device("meta"):
        unet = UNetMotionModel(**motion_config(config))
    try:
        cast = {name: _exact(name, tensor).to(dtype or tensor.dtype) for name, tensor in tensors.items()}
        unet.load_state_dict(cast, assign=True)
    except RuntimeError as problem:
        raise ModelError(f"the UNet is damaged or not Hotshot-XL's: {shortened(problem)}") from problem
    return mended(unet.requires_grad_(False).eval())


def mended(unet: Any) -> Any:
    """The same network with Hotshot-XL's norms and temporal layers in place of diffusers'."""
    pooled: list[nn.GroupNorm] = [unet.conv_norm_out]
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        for resnet in block.resnets:
            pooled += [resnet.norm1, resnet.norm2]
    for norm in pooled:
        norm.__class__ = ClipNorm
    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            module.__class__ = TemporalLayer
            module.norm.__class__ = FrameNorm

    def tell_frames(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample = args[0] if args else kwargs["sample"]
        for norm in pooled:
            norm.num_frames = sample.shape[2]

    unet.register_forward_pre_hook(tell_frames, with_kwargs=True)
    return unet


def motion_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of UNetMotionModel for a config of any of the three classes."""
    known = set(inspect.signature(UNetMotionModel.__init__).parameters)
    fixed = {
        "num_attention_heads": config.get("num_attention_heads") or config["attention_head_dim"],
        "motion_num_attention_heads": TEMPORAL_HEADS,
        "motion_max_seq_length": MAX_FRAMES,
        "use_motion_mid_block": False,
    }
    kinds = {name: [_motion_block(kind) for kind in config[name]] for name in ("down_block_types", "up_block_types")}
    return {name: value for name, value in config.items() if name in known} | kinds | fixed


def _motion_block(kind: str) -> str:
    """CrossAttnDownBlockMotion of CrossAttnDownBlock3D and CrossAttnDownBlock2D."""
    return kind.removesuffix("2D").removesuffix("3D").removesuffix("Motion") + "Motion"


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the original's names under diffusers' names.

    Without the second attentions' position encodings, of which diffusers has one for both.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if ".temporal_attentions." in name:
            for old, new in RENAMED:
                name = name.replace(old, new)
        if not name.endswith("pos_encoder.positional_encoding"):
            found[name] = tensor
    return found


def _exact(name: str, tensor: Tensor) -> Tensor:
    """The tensor itself, or the position encodings in float32: files in float16 hold them rounded.

    Raises:
        ModelError: they are not the sinusoids that they ought to be.
    """
    if not name.endswith("pos_embed.pe"):
        return tensor
    exact = SinusoidalPositionalEmbedding(tensor.shape[-1], tensor.shape[-2]).get_buffer("pe")
    if not torch.allclose(exact, tensor.float(), atol=PE_TOLERANCE):
        raise ModelError(f"{name} holds other position encodings than Hotshot-XL's.")
    return exact
