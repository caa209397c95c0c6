"""A published checkpoint with random weights: its real widths and depths, for measuring speed without a download.

Speed does not depend on what weights say, as long as they are numbers: they are drawn at random, never zero. The
networks' configs are those of `published.json`; tokenizer, scheduler and index are the family's miniature's.

In that file, `configs` are the `config.json` files that lie beside the weights on the Hub (or, of single files, those
of diffusers' conversions), as far as they differ from the defaults of their classes in diffusers 0.42 and transformers
5; `variants` names the config of every component's folder. AnimateDiff's adapters are listed with the image checkpoint
that they are laid over, FLUX.1 Redux with the base that it draws with. Where a repository's own config could not be
had (HunyuanVideo 1.5, HunyuanVideo-I2V, LTX-2, Wan Animate, CogVideoX-Fun), it is what diffusers' conversion script for
it writes. Not counted: sd-x2-latent-upscaler.

`made` are networks of other widths that were never published, each `like` a variant that they are run as; `requests`
say what is drawn with a variant where that is not its default; `converted` names what makes of a family's own layout
one that diffusers reads.
"""

from __future__ import annotations

import inspect
import json
import shutil
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families import Family, Variant, families

SEED = 20250
SHARD = "5GB"
DEPTHS = {"num_layers": 1, "num_single_layers": 1, "num_refiner_layers": 1, "num_hidden_layers": 2}
"""Keys of a config that say how many blocks a network has, and how few it can have: HunyuanVideo reads what its
language model says before the last two."""
CARD = "praxino.json"


def write(name: str, folder: Path, *, device: str, blocks: int | None = None) -> None:
    """Write the folder of a published variant, in its own number format.

    Args:
        name: of the variant, or of what is made like one.
        folder: to write; it must not exist.
        device: that draws the weights.
        blocks: of each kind and network, at most; as many as published when not given.

    Raises:
        UserError: there is no such variant, or its configs are not known.
    """
    known = configs()
    like = known["like"].get(name, name)
    family, variant = _variant(like)
    components: dict[str, str] = {**known["variants"], **known["made"]}.get(name, {})
    if not components:
        names = ", ".join((*known["variants"], *known["made"]))
        raise UserError(f"the configs of {name} are not known; there are {names}.")
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    _skeleton(family, like, partial, known["converted"].get(like))
    for component, config in components.items():
        made = dict(known["configs"][config])
        if blocks is not None:
            made["config"] = _shortened(made, blocks)
        shutil.rmtree(partial / component, ignore_errors=True)
        _save(made, partial / component, variant.dtype, device)
    partial.rename(folder)


def request_of(name: str) -> dict[str, Any]:
    """Fields of the request that a variant's speed is measured with, beside its defaults; all of them by default."""
    return configs()["requests"].get(name, {})


def configs() -> dict[str, Any]:
    """By name, the published configs and the variants that are made of them."""
    return json.loads(resources.files("praxino.bench").joinpath("published.json").read_text(encoding="utf-8"))


def _skeleton(family: Family, like: str, folder: Path, converter: str | None) -> None:
    """Write all but the networks: the miniature's folder, in a layout that diffusers reads, with the variant's name."""
    family.miniature(folder, like=like)
    if converter is not None:
        own = folder.rename(folder.with_name(folder.name + ".own"))
        _named(converter)(own, folder)
        shutil.rmtree(own)
    (folder / CARD).write_text(json.dumps({"family": family.name, "variant": like}) + "\n", encoding="utf-8")


def _variant(name: str) -> tuple[Family, Variant]:
    for family in families().values():
        if name in family.variants:
            return family, family.variants[name]
    raise UserError(f"there is no published variant {name[:60]!r}; praxino models list names them.")


def _shortened(made: dict[str, Any], blocks: int) -> dict[str, Any]:
    """The config with fewer blocks, where it has rows of them."""
    kind = _kind(made)
    configured = getattr(kind, "config_class", None)
    defaults = (
        configured().to_dict()
        if configured
        else {key: value.default for key, value in inspect.signature(kind.__init__).parameters.items()}
    )
    whole = {**defaults, **made["config"]}
    found = {key: least for key, least in DEPTHS.items() if isinstance(whole.get(key), int)}
    return {**made["config"], **{key: min(max(blocks, least), whole[key]) for key, least in found.items()}}


def _kind(made: dict[str, Any]) -> Any:
    return _named(made["class"])


def _named(reference: str) -> Any:
    """What "module:name" names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def _save(made: dict[str, Any], folder: Path, dtype: str, device: str) -> None:
    import torch

    kind = _kind(made)
    configured = getattr(kind, "config_class", None)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            torch.manual_seed(SEED)
            network = kind(configured(**made["config"])) if configured else kind(**made["config"])
    finally:
        torch.set_default_dtype(before)
    _with_exact_positions(network)
    with torch.no_grad():
        for tensor in network.parameters():
            # Layers that begin as zeros would let arithmetic off lightly; deviations keep activations in bounds.
            if tensor.ndim > 1:
                tensor.normal_(std=tensor[0].numel() ** -0.5)
    network.save_pretrained(folder, max_shard_size=SHARD)


def _with_exact_positions(network: Any) -> None:
    """Position encodings worked out in float32 and rounded once, as published files hold them."""
    from diffusers.models.embeddings import SinusoidalPositionalEmbedding

    for module in network.modules():
        if isinstance(module, SinusoidalPositionalEmbedding):
            pe = module.get_buffer("pe")
            pe.copy_(SinusoidalPositionalEmbedding(pe.shape[-1], pe.shape[-2]).get_buffer("pe"))
