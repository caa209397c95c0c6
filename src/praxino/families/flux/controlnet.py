"""ControlNets over [dev]: networks that read a map and add to what the transformer's blocks put out.

Knows tensors, not how a map was made. The way of running them is that of diffusers' FluxControlNetPipeline, except
that the map's latents are the posterior's mean.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from praxino.families.flux.load import readable
from praxino.families.flux.variants import UNION_MODES

BLOCKS, SINGLE_BLOCKS = "controlnet_block_samples", "controlnet_single_block_samples"


@dataclass(frozen=True)
class Control:
    """A map, and the network that reads it."""

    network: Any
    """diffusers' FluxControlNetModel."""
    map: Tensor
    """Tokens (1, N, C), or pixels (1, 3, H, W) for a network with its own way of reading them."""
    kind: str
    scale: float


def load(path: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """The ControlNet in a folder.

    Raises:
        ModelError: it holds none.
    """
    from diffusers.models.controlnets.controlnet_flux import FluxControlNetModel

    with readable(path, "ControlNet of FLUX.1"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)  # diffusers' own use of it
        network: Any = FluxControlNetModel.from_pretrained(path, torch_dtype=dtype, local_files_only=True)
    return network.requires_grad_(False).eval().to(device)


def reads_pixels(network: Any) -> bool:
    """Whether a network takes the map's pixels (XLabs) instead of its latents."""
    return network.input_hint_block is not None


def residuals(
    controls: Sequence[Control], transformer: Any, x: Tensor, given: dict[str, Any], guidance: Tensor
) -> dict[str, list[Tensor]]:
    """What all ControlNets add to the transformer's blocks: one tensor for each block, by the transformer's arguments.

    Args:
        controls: the maps and their networks.
        transformer: for the number of its blocks.
        x: (1, N, C), the noised tokens.
        given: what a ControlNet takes by the same names as the transformer.
        guidance: (1,), for networks that take it.
    """
    sums: dict[str, list[Tensor]] = {}
    for control in controls:
        for name, spread in _spread(control, transformer, _run(control, x, given, guidance)).items():
            before = sums.get(name)
            sums[name] = spread if before is None else [a + b for a, b in zip(before, spread, strict=True)]
    return sums


def _run(control: Control, x: Tensor, given: dict[str, Any], guidance: Tensor) -> tuple[Any, Any]:
    network = control.network
    more: dict[str, Any] = {}
    if network.config.guidance_embeds:
        more["guidance"] = guidance
    if network.union:
        more["controlnet_mode"] = torch.tensor([[UNION_MODES[control.kind]]], device=x.device)
    return network(
        hidden_states=x, controlnet_cond=control.map, conditioning_scale=control.scale, **given, **more,
        return_dict=False,
    )  # fmt: skip


def _spread(control: Control, transformer: Any, samples: tuple[Any, Any]) -> dict[str, list[Tensor]]:
    """One residual for every block: a network has fewer, and each holds for a run of blocks, or they take turns."""
    blocks = (transformer.transformer_blocks, transformer.single_transformer_blocks)
    spread = {}
    for name, own, of in zip((BLOCKS, SINGLE_BLOCKS), samples, blocks, strict=True):
        if own:
            run = -(-len(of) // len(own))
            takes_turns = reads_pixels(control.network) and name == BLOCKS
            spread[name] = [own[i % len(own) if takes_turns else i // run] for i in range(len(of))]
    return spread
