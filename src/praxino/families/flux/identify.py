"""Which FLUX.1 checkpoint lies at a path, read from configs and file headers alone. No torch.

The transformer's channels tell plain, Fill and Control checkpoints apart, its guidance embedding tells [schnell]. What
is alike in shape ([dev], Krea and Kontext; Canny and Depth) is told by `praxino.json`, by the pipeline class, or by a
name that is exactly a published one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import Shapes, read_json, read_shapes
from praxino.families.flux.card import CARD, Card, lay_over, read_card
from praxino.families.flux.settings import Kind, from_options
from praxino.families.flux.variants import PUBLISHED

TRANSFORMER_CLASS = "FluxTransformer2DModel"
REDUX_CLASS = "FluxPriorReduxPipeline"
KINDS_OF_CLASS: dict[str, Kind] = {"FluxKontextPipeline": "kontext"}
"""Pipelines whose transformers are shaped as [dev]'s but run otherwise."""
MASK_CHANNELS = 256
"""Of a token: the mask of its 16 x 16 pixels."""
PREFIX = "model.diffusion_model."
"""Before the names of a transformer in some single files."""


@dataclass(frozen=True)
class Facts:
    """What configs and headers tell about a checkpoint."""

    kind: Kind
    guided: bool
    """Whether it takes a guidance scale as an input."""


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    facts = read_facts(path)
    if facts is None:
        return None
    folder = path if path.is_dir() else path.parent
    card = read_card(folder)
    told = None if card is None else lay_over(_of_card(card, facts, folder), card)
    found = told or _named(path, facts) or _alike(facts)
    return dataclasses.replace(found, options={**found.options, "folder": str(folder)})


def read_facts(path: Path) -> Facts | None:
    """The facts of a diffusers folder, of a file in the authors' naming, or of a folder that holds one."""
    if (path / "model_index.json").is_file():
        return _folder_facts(path)
    file = transformer_file(path)
    shapes = read_shapes(file) if file else None
    return _file_facts(shapes) if shapes else None


def transformer_file(path: Path) -> Path | None:
    """The transformer in the authors' naming at a path: the file itself, or the only one in the folder."""
    candidates = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    found = [file for file in candidates if _is_flux(read_shapes(file))]
    return found[0] if len(found) == 1 else None


def without_prefix(name: str) -> str:
    """A tensor's name as the authors have it."""
    return name.removeprefix(PREFIX)


def _is_flux(shapes: Shapes | None) -> bool:
    names = {without_prefix(name) for name in shapes or ()}
    needed = {"img_in.weight", "txt_in.weight", "double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight"}
    return needed <= names and "vector_in.in_layer.weight" in names


def _file_facts(shapes: Shapes) -> Facts:
    plain = {without_prefix(name): shape for name, shape in shapes.items()}
    channels_in, channels_out = plain["img_in.weight"][1], plain["final_layer.linear.weight"][0]
    return Facts(_kind(channels_in, channels_out), "guidance_in.in_layer.weight" in plain)


def _folder_facts(folder: Path) -> Facts | None:
    index = read_json(folder / "model_index.json")
    pipeline = index.get("_class_name")
    if pipeline == REDUX_CLASS:
        return Facts("redux", guided=True)
    if (index.get("transformer") or [None, None])[1] != TRANSFORMER_CLASS:
        return None
    config = read_json(folder / "transformer" / "config.json")
    channels_in = config.get("in_channels", 64)
    kind = _kind(channels_in, config.get("out_channels") or channels_in)
    if kind == "plain":
        kind = KINDS_OF_CLASS.get(str(pipeline), kind)
    return Facts(kind, bool(config.get("guidance_embeds", False)))


def _kind(channels_in: int, channels_out: int) -> Kind:
    """What a transformer takes on its channels beside the noised picture."""
    if channels_in == 2 * channels_out + MASK_CHANNELS:
        return "fill"
    return "control" if channels_in == 2 * channels_out else "plain"


def _named(path: Path, facts: Facts) -> Variant | None:
    """The variant whose own, repository's or file's name is that of the path, if the facts allow for it."""
    file = transformer_file(path)
    found = {path.name, file.name if file else ""}
    for variant in PUBLISHED.values():
        repository = variant.source.rpartition("/")[2]
        names = {variant.name, repository, variant.source.replace("/", "--"), variant.options["file"]}
        if names & found and _fits(variant, facts):
            return variant
    return None


def _fits(variant: Variant, facts: Facts) -> bool:
    kind = from_options(variant.options).kind
    same = kind == facts.kind or (kind == "kontext" and facts.kind == "plain")
    return same and variant.options["guided"] == facts.guided


def _of_card(card: Card, facts: Facts, folder: Path) -> Variant:
    """The published variant that a card is about, or the one that is shaped alike."""
    told = PUBLISHED.get(card.variant) or PUBLISHED.get(card.like or "")
    if told is not None and not _fits(told, facts):
        raise ModelError(
            f"{folder / CARD} says {told.name}, but the weights beside it are shaped as {_alike(facts).name}'s; "
            "mend the card."
        )
    return told or _alike(facts)


def _alike(facts: Facts) -> Variant:
    """What a checkpoint of such a shape is run as."""
    if facts.kind == "control":
        return _any_control()
    if facts.kind == "plain":
        return PUBLISHED["flux-dev" if facts.guided else "flux-schnell"]
    return PUBLISHED[f"flux-{facts.kind}"]


def _any_control() -> Variant:
    """A Control checkpoint that does not say which maps it follows."""
    canny, depth = PUBLISHED["flux-canny"], PUBLISHED["flux-depth"]
    return dataclasses.replace(
        canny,
        name="flux-control",
        title="a FLUX.1 Control checkpoint",
        source="",
        steering=(*depth.needs, *canny.steering),
        needs=(),
    )
