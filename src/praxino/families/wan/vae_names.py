"""Wan's VAEs in the authors' naming, as diffusers' AutoencoderKLWan. Tensors in, tensors out; no file is read here.

Source: Wan-Video/Wan2.1 at 9737cba, wan/modules/vae.py, and Wan-Video/Wan2.2 at 42bf4cf, wan/modules/vae2_2.py, whose
levels are modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._original import shapes_of
from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

INNER = {
    "residual.0": "norm1", "residual.2": "conv1", "residual.3": "norm2", "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}  # fmt: skip
"""Layers of a residual block."""
MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
OUTER = {
    "conv1": "quant_conv", "conv2": "post_quant_conv",
    "encoder.conv1": "encoder.conv_in", "decoder.conv1": "decoder.conv_in",
    "encoder.head.0": "encoder.norm_out", "encoder.head.2": "encoder.conv_out",
    "decoder.head.0": "decoder.norm_out", "decoder.head.2": "decoder.conv_out",
}  # fmt: skip
IN_MIDDLE = re.compile(r"^(encoder|decoder)\.middle\.(\d)\.(.+)$")
IN_LEVEL = re.compile(r"^(encoder\.down|decoder\.up)samples\.(\d+)\.(?:down|up)samples\.(\d+)\.(.+)$")
IN_LIST = re.compile(r"^(encoder\.down|decoder\.up)samples\.(\d+)\.(.+)$")
RESAMPLING = ("resample.", "time_conv.")
WIDE_MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)  # fmt: skip
WIDE_DEVIATION = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)  # fmt: skip
"""Of the 48 latent channels of 2.2 (vae2_2.py, Wan2_2_VAE); those of 2.1 are diffusers' own defaults."""
WIDE_PATCH = 2


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' WanVAE_. Raises KeyError for a name that it has not."""
    num_resnets = _num_resnets(shapes_of(tensors))
    return {_renamed(name, num_resnets): tensor for name, tensor in tensors.items()}


def config_of(shapes: Shapes) -> dict[str, Any]:
    """The diffusers config of a VAE, from its shapes."""
    by_level = is_by_level(shapes)
    base = shapes["encoder.conv1.weight"][0]
    config: dict[str, Any] = {
        "base_dim": base,
        "z_dim": shapes["conv2.weight"][0],
        "dim_mult": [width // base for width in _widths(shapes)],
        "num_res_blocks": _num_resnets(shapes),
        "temperal_downsample": _halvings_in_time(shapes),
    }
    if not by_level:
        return config
    return {
        **config,
        "is_residual": True,
        "patch_size": WIDE_PATCH,
        "in_channels": shapes["encoder.conv1.weight"][1],
        "out_channels": shapes["decoder.head.2.weight"][0],
        "decoder_base_dim": shapes["decoder.conv1.weight"][0] // config["dim_mult"][-1],
        "scale_factor_spatial": 16,
        "latents_mean": list(WIDE_MEAN),
        "latents_std": list(WIDE_DEVIATION),
    }


def is_by_level(names: Mapping[str, Any]) -> bool:
    """Whether each level of the encoder is a module of its own, as in 2.2."""
    return "encoder.downsamples.0.downsamples.0.residual.0.gamma" in names


def _renamed(name: str, num_resnets: int) -> str:
    layer, _, kind = name.rpartition(".")
    if layer in OUTER:
        return f"{OUTER[layer]}.{kind}"
    if match := IN_MIDDLE.match(layer):
        return f"{match[1]}.mid_block.{MIDDLE[match[2]]}.{_inner(match[3])}.{kind}"
    if match := IN_LEVEL.match(layer):
        return f"{match[1]}_blocks.{match[2]}.{_in_level(match)}.{kind}"
    if match := IN_LIST.match(layer):
        return f"{_in_list(match, num_resnets)}.{kind}"
    raise KeyError(name)


def _in_level(match: re.Match[str]) -> str:
    if f"{match[4]}.".startswith(RESAMPLING):
        way = "downsampler" if match[1] == "encoder.down" else "upsampler"
        return f"{way}.{match[4]}"
    return f"resnets.{match[3]}.{_inner(match[4])}"


def _in_list(match: re.Match[str], num_resnets: int) -> str:
    """A layer of 2.1: diffusers keeps the encoder's in one list, and the decoder's by level, with one resnet more."""
    number, inner = int(match[2]), match[3]
    if match[1] == "encoder.down":
        resampling = f"{inner}.".startswith(RESAMPLING)
        return f"encoder.down_blocks.{number}.{inner if resampling else _inner(inner)}"
    level, place = divmod(number, num_resnets + 2)
    block = f"decoder.up_blocks.{level}"
    if place == num_resnets + 1:
        return f"{block}.upsamplers.0.{inner}"
    return f"{block}.resnets.{place}.{_inner(inner)}"


def _inner(layer: str) -> str:
    """A layer of a residual block, or of the attention, which is called alike."""
    return layer if layer in ("norm", "to_qkv", "proj") else INNER[layer]


def _resnets(shapes: Shapes) -> list[tuple[int, int]]:
    """Number and width of the encoder's residual blocks as 2.1 counts, resamplings among them counted too."""
    pattern = re.compile(r"encoder\.downsamples\.(\d+)\.residual\.6\.weight")
    return sorted((int(match[1]), shape[0]) for name, shape in shapes.items() if (match := pattern.fullmatch(name)))


def _num_resnets(shapes: Shapes) -> int:
    """Of a level of the encoder."""
    if is_by_level(shapes):
        pattern = re.compile(r"encoder\.downsamples\.0\.downsamples\.\d+\.residual\.6\.weight")
        return sum(1 for name in shapes if pattern.fullmatch(name))
    numbers = [number for number, _ in _resnets(shapes)]
    return next((place for place, number in enumerate(numbers) if number != place), len(numbers))


def _widths(shapes: Shapes) -> list[int]:
    """Channels of each level of the encoder."""
    if is_by_level(shapes):
        pattern = re.compile(r"encoder\.downsamples\.(\d+)\.downsamples\.0\.residual\.6\.weight")
        found = {int(match[1]): shape[0] for name, shape in shapes.items() if (match := pattern.fullmatch(name))}
        return [found[level] for level in sorted(found)]
    return [width for _, width in _resnets(shapes)[:: _num_resnets(shapes)]]


def _halvings_in_time(shapes: Shapes) -> list[bool]:
    """Of each level but the last, whether it halves the frames too."""
    prefix = "encoder.downsamples."
    resampled = sorted({_number(name) for name in shapes if name.startswith(prefix) and ".resample." in name})
    in_time = {_number(name) for name in shapes if name.startswith(prefix) and ".time_conv." in name}
    return [number in in_time for number in resampled]


def _number(name: str) -> int:
    return int(name.split(".")[2])
