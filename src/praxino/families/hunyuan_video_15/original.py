"""Folders as Tencent publish HunyuanVideo 1.5 (ckpts/), written in the diffusers layout.

Source: Tencent-Hunyuan/HunyuanVideo-1.5 at 60783e7, checkpoints-download.md, for what lies where; hyvideo/commons
(PIPELINE_CONFIGS) for the numbers that no file has; huggingface/diffusers,
scripts/convert_hunyuan_video1_5_to_diffusers.py, for what encoders and tokenizers become.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from praxino.errors import ModelError, UserError
from praxino.families._original import CARD, Original, Read, Tensors, Writer, shapes_of, weights, without_prefix
from praxino.families._stock.checkpoint import read_json
from praxino.families.hunyuan_video_15 import convert, vae_names
from praxino.families.hunyuan_video_15.variants import FROM_PICTURES, GUIDANCE, RESOLUTIONS

VERSION = re.compile(r"(480p|720p)_(t2v|i2v)(_distilled|_step_distilled)?")
"""How Tencent call the folders of transformers that draw clips; those of second stages are no such."""
SHIFTS = {"480p_t2v": 5.0, "480p_i2v": 5.0, "720p_t2v": 9.0, "720p_i2v": 7.0, "480p_i2v_step_distilled": 7.0}
"""By version, or by its beginning."""
FEW_STEPS = {"480p_i2v_step_distilled": 12}
READER = Path("text_encoder", "llm")
LETTERS = Path("text_encoder", "byt5-small")
GLYPHS = Path("text_encoder", "Glyph-SDXL-v2")
EYE = Path("vision_encoder", "siglip")
LETTER_WEIGHTS = "module.text_tower.encoder."
EMBEDDING, TIED = "encoder.embed_tokens.weight", "shared.weight"
READER_PREFIXES = ("model.language_model.", "model.")
NOT_READER = ("visual.", "model.visual.", "lm_head.")


@dataclass(frozen=True)
class Places:
    """What lies where."""

    home: Path
    transformer: Path
    """A folder, called as its version."""
    glyphs: Path
    """The weights of the reader of letters."""

    @property
    def from_picture(self) -> bool:
        """Whether it sets a picture in motion."""
        return "_i2v" in self.transformer.name


def find(folder: Path) -> Original | None:
    """See `praxino.families._original`: ckpts with one transformer, or the folder of one of several."""
    named = VERSION.fullmatch(folder.name) is not None and folder.parent.name == "transformer"
    home = folder.parent.parent if named else folder
    found = [folder] if named else sorted(
        place for place in folder.glob("transformer/*/") if VERSION.fullmatch(place.name)
    )  # fmt: skip
    if not found:
        return None
    glyphs = weights(home / GLYPHS / "checkpoints", "byt5_model")
    missing = _missing(home, found[0])
    if glyphs is None or missing or len(found) > 1:
        raise UserError(_lack(home, found, [*missing, *([] if glyphs else [f"{GLYPHS}/checkpoints/byt5_model.pt"])]))
    places = Places(home, found[0], glyphs)
    return Original("HunyuanVideo 1.5", _files(places), partial(_write, places))


def _missing(home: Path, transformer: Path) -> list[str]:
    needed = ["vae", str(READER), str(LETTERS), *([str(EYE)] if "_i2v" in transformer.name else [])]
    return [f"{name}/" for name in needed if not (home / name).is_dir()]


def _lack(home: Path, transformers: list[Path], missing: list[str]) -> str:
    start = f"{home} is a HunyuanVideo 1.5 checkpoint as Tencent publish it"
    if len(transformers) > 1:
        return f"{start}, of several transformers; name the folder of one: {', '.join(map(str, transformers))}"
    return f"{start}, but has no {', no '.join(missing)}."


def _files(places: Places) -> tuple[Path, ...]:
    folders = [places.transformer, places.home / "vae", places.home / READER]
    eye = [places.home / EYE / "image_encoder"] if places.from_picture else []
    return (*(file for folder in (*folders, *eye) for file in _safe(folder)), places.glyphs)


def _safe(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _all(read: Read, folder: Path) -> dict[str, Any]:
    return {name: tensor for file in _safe(folder) for name, tensor in read(file).items()}


def _write(places: Places, read: Read, out: Writer) -> None:
    version, home = places.transformer.name, places.home
    tensors = _all(read, places.transformer)
    target = next(side for side, name in RESOLUTIONS.items() if version.startswith(name))
    config = convert.config_of(shapes_of(tensors), read_json(places.transformer / "config.json"))
    more = {"target_size": target, "task_type": "i2v" if places.from_picture else "t2v"}
    kind = "diffusers.HunyuanVideo15Transformer3DModel"
    out.network("transformer", kind, {**config, **more}, convert.renamed(tensors))
    vae = vae_names.config_of(read_json(home / "vae" / "config.json"))
    out.network("vae", "diffusers.AutoencoderKLHunyuanVideo15", vae, vae_names.renamed(_all(read, home / "vae")))
    _write_reader(home / READER, read, out)
    _write_letters(places, read, out)
    if places.from_picture:
        out.copy("image_encoder", home / EYE / "image_encoder", "transformers.SiglipVisionModel")
        out.copy("feature_extractor", home / EYE / "feature_extractor", "transformers.SiglipImageProcessor")
    _write_settings(version, places.from_picture, out)


def _write_reader(folder: Path, read: Read, out: Writer) -> None:
    """The language model of Qwen2.5-VL, without its eye."""
    from transformers import Qwen2_5_VLConfig

    told: Any = Qwen2_5_VLConfig.from_dict(read_json(folder / "config.json"))
    kept = {name: tensor for name, tensor in _all(read, folder).items() if not name.startswith(NOT_READER)}
    for prefix in READER_PREFIXES:
        kept = without_prefix(kept, prefix)
    out.network("text_encoder", "transformers.Qwen2_5_VLTextModel", told.text_config.to_dict(), kept)
    out.tokenizer("tokenizer", folder)


def _write_letters(places: Places, read: Read, out: Writer) -> None:
    """ByT5 as Glyph-SDXL-v2 has taught it colours and fonts, each a word of its own."""
    from transformers import ByT5Tokenizer

    words = ByT5Tokenizer.from_pretrained(places.home / LETTERS, local_files_only=True)
    words.add_tokens(_glyph_words(places.home / GLYPHS / "assets"), special_tokens=True)
    tensors: Tensors = {
        f"encoder.{name}": tensor for name, tensor in without_prefix(read(places.glyphs), LETTER_WEIGHTS).items()
    }
    rows = tensors[EMBEDDING].shape[0]
    if len(words) != rows:
        raise ModelError(f"{places.glyphs} knows {rows} words, and the lists beside it tell of {len(words)}.")
    config = {**read_json(places.home / LETTERS / "config.json"), "vocab_size": rows}
    out.network("text_encoder_2", "transformers.T5EncoderModel", config, {TIED: tensors[EMBEDDING], **tensors})
    words.save_pretrained(out.folder / "tokenizer_2")
    out.index["tokenizer_2"] = ["transformers", "ByT5Tokenizer"]


def _glyph_words(folder: Path) -> list[str]:
    """See Tencent's hyvideo/models/text_encoders/byT5/__init__.py (add_special_token)."""
    colours, fonts = (read_json(folder / name) for name in ("color_idx.json", "multilingual_10-lang_idx.json"))
    return [
        *(f"<color-{number}>" for number in range(len(colours))),
        *(f"<{name[:2]}-font-{number}>" for name, number in fonts.items()),
    ]


def _write_settings(version: str, from_picture: bool, out: Writer) -> None:
    scale = 1.0 if version.endswith("_distilled") else GUIDANCE
    out.json("guider/guider_config.json", {"_class_name": "ClassifierFreeGuidance", "guidance_scale": scale})
    out.index["guider"] = ["diffusers", "ClassifierFreeGuidance"]
    own: dict[str, Any] = {} if scale == GUIDANCE else {"guidance": scale}
    if version in FEW_STEPS:
        own["steps"] = FEW_STEPS[version]
    name = f"hunyuan-video-1.5-{version.split('_')[0]}" + ("-i2v" if from_picture else "")
    out.json(CARD, {"family": "hunyuan-video-1.5", "variant": name, **own})
    shift = SHIFTS.get(version) or SHIFTS["_".join(version.split("_")[:2])]
    scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift}
    out.pipeline(FROM_PICTURES if from_picture else "HunyuanVideo15Pipeline", scheduler)
