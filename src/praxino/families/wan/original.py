"""Folders as Wan's authors publish them (Wan2.1-T2V-1.3B, Wan2.2-I2V-A14B, ...), written in the diffusers layout.

Source: Wan-Video/Wan2.1 at 9737cba and Wan-Video/Wan2.2 at 42bf4cf, wan/configs: what lies where.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families._original import CARD, Original, Read, Tensors, Writer, shapes_of, weights
from praxino.families.wan import convert, encoder_names, index, layout, vae_names
from praxino.families.wan.identify import FAMILY_NAME, identify
from praxino.families.wan.settings import from_options
from praxino.families.wan.variants import PUBLISHED

VAES = ("Wan2.1_VAE", "Wan2.2_VAE")
T5, CLIP = "models_t5_umt5-xxl-enc-bf16", "models_clip_open-clip-xlm-roberta-large-vit-huge-14"
TOKENIZER = Path("google", "umt5-xxl")
WORDS = ("text_encoder", "transformers.UMT5EncoderModel")
LAYOUT_ENDING = "-diffusers"
"""Of the published repositories' names, what those of the authors' own have not."""


def find(folder: Path) -> Original | None:
    """See `_original`: transformers in the authors' naming beside a VAE of theirs, and none of diffusers'."""
    if not has_their_vae(folder) or not (found := layout.originals(folder)):
        return None
    files = [file for one in found for file in one.files]
    return Original("Wan", (*files, *beside(folder, needs_clip(found[0].shapes()))), partial(_write, folder, found))


def has_their_vae(folder: Path) -> bool:
    """Whether the authors' VAE is what there is: neither diffusers' lies beside it, nor does a card name another."""
    return vae_of(folder) is not None and not (folder / "vae").is_dir() and not (folder / CARD).is_file()


def vae_of(folder: Path) -> Path | None:
    """The VAE's file."""
    return next((file for stem in VAES if (file := weights(folder, stem)) is not None), None)


def needs_clip(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether a transformer reads CLIP's features."""
    return "img_emb.proj.0.weight" in convert.plain_names(shapes)


def beside(folder: Path, with_clip: bool) -> list[Path]:
    """The files of the other networks.

    Raises:
        UserError: not all are there.
    """
    stems = [T5, *([CLIP] if with_clip else [])]
    found = [vae_of(folder), *(weights(folder, stem) for stem in stems)]
    missing = [f"{stem}.pth" for stem, file in zip((VAES[0], *stems), found, strict=True) if file is None]
    if not (folder / TOKENIZER).is_dir():
        missing.append(f"{TOKENIZER}/")
    if missing:
        raise UserError(f"{folder} is a Wan checkpoint as its authors publish it, but has no {', no '.join(missing)}.")
    return [file for file in found if file is not None]


def write_beside(folder: Path, read: Read, out: Writer, with_clip: bool) -> None:
    """Write everything but the transformers."""
    vae, text, *clip = (read(file) for file in beside(folder, with_clip))
    out.network("vae", "diffusers.AutoencoderKLWan", vae_names.config_of(shapes_of(vae)), vae_names.renamed(vae))
    out.network(*WORDS, encoder_names.umt5_config(shapes_of(text)), encoder_names.umt5(text))
    out.tokenizer("tokenizer", folder / TOKENIZER)
    for tensors in clip:
        config = encoder_names.clip_config(shapes_of(tensors))
        out.network("image_encoder", "transformers.CLIPVisionModel", config, encoder_names.clip(tensors))
        out.json("image_processor/preprocessor_config.json", index.image_processor(config["image_size"]))
        out.index["image_processor"] = ["transformers", "CLIPImageProcessor"]


def write_transformer(name: str, one: layout.Original, read: Read, out: Writer) -> None:
    """Write a transformer."""
    from praxino.families.wan.load import class_of

    tensors: Tensors = {key: tensor for file in one.files for key, tensor in read(file).items()}
    config = convert.config_of(shapes_of(tensors), one.config)
    out.network(name, f"diffusers.{class_of(config).__name__}", config, convert.renamed(tensors))


def _write(folder: Path, found: tuple[layout.Original, ...], read: Read, out: Writer) -> None:
    told: Any = identify(folder)
    settings = from_options(told.options)
    for name, one in zip(("transformer", "transformer_2"), found, strict=False):
        write_transformer(name, one, read, out)
    write_beside(folder, read, out, needs_clip(found[0].shapes()))
    if (named := _published(folder, told.tasks)) is not None:
        out.json(CARD, {"family": FAMILY_NAME, "variant": named})
    out.pipeline(index.PIPELINES[settings.kind], index.scheduler(settings), **index.more(settings))


def _published(folder: Path, tasks: tuple[str, ...]) -> str | None:
    """The published variant whose repository a folder is called like, without its ending."""
    for variant in PUBLISHED.values():
        repository = variant.source.rpartition("/")[2].lower().removesuffix(LAYOUT_ENDING)
        if folder.name.lower() == repository and variant.tasks == tasks:
            return variant.name
    return None
