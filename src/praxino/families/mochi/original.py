"""A folder of Genmo's own files, written in the diffusers layout. It also runs as it lies (`load.load_original`).

Source: huggingface/diffusers, scripts/convert_mochi_to_diffusers.py, for what the layout says beside the networks.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from praxino.families._original import CARD, Original, Read, Writer, shapes_of
from praxino.families.mochi import convert
from praxino.families.mochi.identify import TRANSFORMER_CLASS, transformer_file
from praxino.families.mochi.variants import DECODER, ENCODER, FAMILY_NAME, PREVIEW

NEEDED = ("text_encoder", "tokenizer")
SCHEDULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": True}


def find(folder: Path) -> Original | None:
    """See `praxino.families._original`: all of it, T5 and the VAE's encoder too."""
    parts = [folder / name for name in (ENCODER, DECODER)]
    if not all(file.is_file() for file in parts) or not all((folder / name).is_dir() for name in NEEDED):
        return None
    transformer = transformer_file(folder)
    if transformer is None:
        return None
    text = sorted((folder / "text_encoder").glob("*.safetensors"))
    return Original("Mochi", (transformer, *parts, *text), partial(_write, folder, transformer), runs=True)


def _write(folder: Path, transformer: Path, read: Read, out: Writer) -> None:
    tensors = read(transformer)
    config = convert.transformer_config(shapes_of(tensors))
    out.network("transformer", f"diffusers.{TRANSFORMER_CLASS}", config, convert.transformer(tensors))
    encoder, decoder = (read(folder / name) for name in (ENCODER, DECODER))
    vae = {**convert.encoder(encoder), **convert.decoder(decoder)}
    out.network("vae", "diffusers.AutoencoderKLMochi", convert.vae_config(shapes_of(encoder), shapes_of(decoder)), vae)
    out.copy("text_encoder", folder / "text_encoder", "transformers.T5EncoderModel")
    out.tokenizer("tokenizer", folder / "tokenizer")
    out.json(CARD, {"family": FAMILY_NAME, "variant": PREVIEW.name})
    out.pipeline("MochiPipeline", SCHEDULER, force_zeros_for_empty_prompt=True)
