"""Which HunyuanVideo checkpoint lies at a path, read from configs and file headers alone. No torch.

The transformer's channels tell latent-concat; what tells words alone from token-replace, which are shaped alike, is
diffusers' config, or `praxino.json`, or whether the language model beside it reads pictures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._hunyuan.card import Card, lay_over, read_card
from praxino.families._hunyuan.convert import CONDITION_TYPES, count
from praxino.families._hunyuan.settings import Kind, from_options
from praxino.families._stock.checkpoint import CARD, Shapes, read_json, read_shapes
from praxino.recipe import GuidancePhase

TRANSFORMER_CLASS = "HunyuanVideoTransformer3DModel"
PIPELINES = ("HunyuanVideoPipeline", "HunyuanVideoImageToVideoPipeline")
PREFIX = "model.diffusion_model."
"""Before the names of a transformer in some single files."""
NEEDED = {"img_in.proj.weight", "txt_in.input_embedder.weight", "double_blocks.0.img_attn_qkv.weight",
          "single_blocks.0.linear1.weight", "vector_in.in_layer.weight"}  # fmt: skip
"""Of a transformer in Tencent's naming."""


@dataclass(frozen=True)
class Facts:
    """What configs and headers tell about a checkpoint."""

    kind: Kind | None
    """None where words alone and token-replace cannot be told apart."""
    embeds_guidance: bool
    num_blocks: int


def identify(path: Path, family: str, published: Iterable[Variant]) -> Variant | None:
    """See `Family.identify`. `published` are the variants of that family."""
    facts = read_facts(path)
    folder = path if path.is_dir() else path.parent
    card = read_card(folder) if facts else None
    if facts is None or (card is not None and card.family != family):
        return None
    by_name = {variant.name: variant for variant in published}
    told = by_name.get(card.variant) or by_name.get(card.like or "") if card else None
    found = told or _of_kind(by_name.values(), facts.kind or _read_kind(folder, card))
    if found is None:
        return None
    if facts.kind is not None and from_options(found.options).kind != facts.kind:
        raise ModelError(f"{folder / CARD} says {found.name}, but the weights beside it are of another kind; mend it.")
    base = _with_facts(found, facts)
    base = lay_over(base, card) if card else base
    return dataclasses.replace(base, options={**base.options, "folder": str(folder)})


def read_facts(path: Path) -> Facts | None:
    """The facts of a diffusers folder, of a file in Tencent's naming, or of a folder that holds one."""
    if (path / "model_index.json").is_file():
        return _folder_facts(path)
    file = transformer_file(path)
    shapes = read_shapes(file) if file else None
    return _file_facts(shapes) if shapes else None


def transformer_file(path: Path) -> Path | None:
    """The transformer in Tencent's naming at a path: the file itself, or the only one in the folder."""
    candidates = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    found = [file for file in candidates if {without_prefix(name) for name in read_shapes(file) or ()} >= NEEDED]
    return found[0] if len(found) == 1 else None


def without_prefix(name: str) -> str:
    """A tensor's name as Tencent has it."""
    return name.removeprefix(PREFIX)


def _folder_facts(folder: Path) -> Facts | None:
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") not in PIPELINES or (index.get("transformer") or [None] * 2)[1] != TRANSFORMER_CLASS:
        return None
    config = read_json(folder / "transformer" / "config.json")
    kinds = {told: kind for kind, told in CONDITION_TYPES.items()}
    return Facts(
        kind=kinds.get(config.get("image_condition_type")),  # pyright: ignore[reportArgumentType]
        embeds_guidance=config.get("guidance_embeds", True),
        num_blocks=config.get("num_layers", 20) + config.get("num_single_layers", 40),
    )


def _file_facts(shapes: Shapes) -> Facts:
    plain = {without_prefix(name): shape for name, shape in shapes.items()}
    _, channels_in, *patch = plain["img_in.proj.weight"]
    channels_out = plain["final_layer.linear.weight"][0] // (patch[0] * patch[1] * patch[2])
    return Facts(
        kind="latent-concat" if channels_in == 2 * channels_out + 1 else None,
        embeds_guidance="guidance_in.mlp.0.weight" in plain,
        num_blocks=count(plain, "double_blocks.") + count(plain, "single_blocks."),
    )


def _read_kind(folder: Path, card: Card | None) -> Kind:
    """What the language model beside a transformer tells of it."""
    home = folder / ((card.components if card else None) or "")
    config = read_json(home / "text_encoder" / "config.json")
    return "token-replace" if "vision_config" in config else "text"


def _of_kind(variants: Iterable[Variant], kind: Kind) -> Variant | None:
    return next((variant for variant in variants if from_options(variant.options).kind == kind), None)


def _with_facts(variant: Variant, facts: Facts) -> Variant:
    options = {**variant.options, "embeds_guidance": facts.embeds_guidance, "num_blocks": facts.num_blocks}
    if facts.embeds_guidance == from_options(variant.options).embeds_guidance:
        return dataclasses.replace(variant, options=options)
    scale = EMBEDDED_GUIDANCE if facts.embeds_guidance else 1.0
    return dataclasses.replace(variant, options=options, guidance_phases=(GuidancePhase(start=1.0, scale=scale),))


EMBEDDED_GUIDANCE = 6.0
"""The guidance scale of all of Tencent's scripts."""
