"""LoRAs for SDXL over the spatial layers and the text encoders of Hotshot-XL: names of diffusers, peft and kohya."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock.lora_names import check_unet
from praxino.recipe import Lora

SDXL_TEXT_WIDTH = 2048
"""Channels of both text encoders together."""
NETWORKS: tuple[str, ...] = ("unet", "text_encoder", "text_encoder_2")


def check_lora(path: Path) -> None:
    """Look at the names in a file's header. No torch.

    Raises:
        UserError: it is not a safetensors file, or holds other things than the weights of a LoRA for SDXL.
    """
    check_unet(path, "Hotshot-XL", (SDXL_TEXT_WIDTH,))


def apply(networks: Any, loras: tuple[Lora, ...], blocks: tuple[str, ...]) -> None:
    """Lay LoRAs over the networks, in place of any laid before; one of scale 0 is checked and left out.

    Args:
        networks: the `Networks` of a run.
        loras: files and scales.
        blocks: patterns of the layers' names, as in "unet.up_blocks.*"; empty means all.

    Raises:
        ModelError: a file cannot be read, or one of its weights has no layer, or a layer of another shape.
    """
    from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin

    from praxino.families._stock import lora

    def convert(tensors: dict[str, Any]) -> dict[str, Any]:
        return StableDiffusionXLLoraLoaderMixin.lora_state_dict(tensors, unet_config=networks.unet.config)[0]

    homes = dict(zip(NETWORKS, (networks.unet, *(encoder.model for encoder in networks.encoders)), strict=True))
    lora.apply(homes, loras, blocks, convert)
