"""Loading the networks of a folder of diffusers, or of a single file over one. Pipelines are not imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._in_context import Annotators
from praxino.families._stock.checkpoint import read_json
from praxino.families._stock.load import DTYPES, damaged, diffusers_class, quiet
from praxino.families.ltx_2 import single_file
from praxino.families.ltx_2.identify import UPSAMPLER_FOLDER
from praxino.families.ltx_2.lora import CONNECTORS, TRANSFORMER

PACKAGE = "diffusers.pipelines.ltx2"


@dataclass
class Parts:
    """The loaded networks."""

    transformer: Any
    """Diffusers' LTX2VideoTransformer3DModel."""
    connectors: Any
    """Diffusers' LTX2TextConnectors, between the text encoder and the transformer."""
    vae: Any
    """Diffusers' AutoencoderKLLTX2Video."""
    sound_vae: Any
    """Diffusers' AutoencoderKLLTX2Audio."""
    vocoder: Any
    """Diffusers' LTX2Vocoder or LTX2VocoderWithBWE."""
    text_encoder: Any
    """The Gemma3ForConditionalGeneration of transformers."""
    tokenizer: Any
    variant: Variant
    device: torch.device
    upsampler: Any = None
    """Diffusers' LTX2LatentUpsamplerModel, where the folder has one, or a recipe laid one on."""
    upsampler_path: str = ""
    """Where that of a recipe came from."""
    refining_lora: str = ""
    """The LoRA of the second stage, where there is one."""
    annotators: Annotators = field(default_factory=Annotators)
    preview: Any = None
    """The linear map of previews, once it is known."""

    @cached_property
    def takes_loras(self) -> torch.nn.ModuleDict:
        """What LoRAs are laid over. No field: a plan of where networks lie has to find each of them by itself."""
        return torch.nn.ModuleDict({TRANSFORMER: self.transformer, CONNECTORS: self.connectors})


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    kind = DTYPES[dtype]
    home = home_of(path, variant)
    classes = _classes(home)
    with quiet(), damaged(path):
        networks = single_file.read(path, home, classes, kind) if path.is_file() else {}
        for name in classes.keys() - networks.keys():
            networks[name] = _network(home, name, classes[name], kind)
        tokenizer = _tokenizer(home / "tokenizer")
    for network in networks.values():
        network.requires_grad_(False).eval().to(device)
    _make_perturbable(networks[TRANSFORMER])
    return Parts(
        transformer=networks[TRANSFORMER],
        connectors=networks[CONNECTORS],
        vae=networks["vae"],
        sound_vae=networks["audio_vae"],
        vocoder=networks["vocoder"],
        text_encoder=networks["text_encoder"],
        tokenizer=tokenizer,
        variant=variant,
        device=torch.device(device),
        upsampler=networks.get(UPSAMPLER_FOLDER),
    )


def home_of(path: Path, variant: Variant) -> Path:
    """The folder of diffusers: the path itself or, for a single file, where its other components lie."""
    return path.parent / variant.options.get("components", "") if path.is_file() else path


def _classes(path: Path) -> dict[str, str]:
    """The class of each component, as "MODULE:NAME"."""
    index = read_json(path / "model_index.json")
    vocoder = (index.get("vocoder") or [None, "LTX2Vocoder"])[1]
    found = {
        TRANSFORMER: "diffusers:LTX2VideoTransformer3DModel",
        CONNECTORS: f"{PACKAGE}.connectors:LTX2TextConnectors",
        "vae": "diffusers:AutoencoderKLLTX2Video",
        "audio_vae": "diffusers:AutoencoderKLLTX2Audio",
        "vocoder": f"{PACKAGE}.vocoder:{vocoder}",
        "text_encoder": "transformers:Gemma3ForConditionalGeneration",
    }
    if (path / UPSAMPLER_FOLDER / "config.json").is_file():
        found[UPSAMPLER_FOLDER] = f"{PACKAGE}.latent_upsampler:LTX2LatentUpsamplerModel"
    return found


def _network(path: Path, name: str, where: str, kind: torch.dtype) -> Any:
    if not (path / name).is_dir():
        raise ModelError(f"{path} has no {name}/ folder; LTX-2 is not whole without it.")
    argument = "dtype" if where.startswith("transformers:") else "torch_dtype"
    return diffusers_class(where).from_pretrained(path / name, local_files_only=True, **{argument: kind})


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _make_perturbable(transformer: Any) -> None:
    """Let STG perturb the blocks' self-attention, which LTX-2.0's folders do not ask diffusers for."""
    from diffusers.models.transformers.transformer_ltx2 import LTX2PerturbedAttnProcessor

    for block in transformer.transformer_blocks:
        if not block.perturbed_attn:
            block.perturbed_attn = True
            block.attn1.processor = LTX2PerturbedAttnProcessor()
            block.audio_attn1.processor = LTX2PerturbedAttnProcessor()
