"""Owns what is trained of a network: low-rank weights laid on with peft, or all of it; and how that is written.

A LoRA file is in diffusers' names with its settings in the metadata; its scale alpha / rank is multiplied into the
weights, so that a loader which knows no alpha draws the same. Beside it lies a copy in ComfyUI's names, if it has any:
not of DoRA, whose magnitudes ComfyUI takes for lengths of columns (comfy/weight_adapter/base.py, weight_decompose).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from torch import Tensor, nn

from praxino.errors import UserError
from praxino.training.peers import whole
from praxino.training.tuning import comfyui, trainees
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Trainee

ADAPTER = "tuned"
COMFY_FOLDER = "comfyui"
METADATA_KEY = "lora_adapter_metadata"
"""Where diffusers looks for the settings (loaders/lora_base.py)."""


def prepare(network: nn.Module, trainee: Trainee, tuning: Tuning) -> None:
    """Make trainable what is to be trained, and nothing else; new low-rank weights change nothing yet.

    Raises:
        UserError: no layer has one of the names that the settings give.
    """
    network.requires_grad_(False)
    if tuning.method == "full":
        for name, parameter in network.float().named_parameters():
            parameter.requires_grad_(trainee.scope in name)
        return
    from peft import LoraConfig

    targets = list(tuning.targets or trainee.targets)
    matched = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and trainee.scope in name and _ends(name, targets)
    ]
    if not matched:
        raise UserError(f"targets {', '.join(targets)} match no layer of {type(network).__name__}.")
    config = LoraConfig(
        r=tuning.rank, lora_alpha=tuning.alpha, target_modules=matched, init_lora_weights=True,
        use_dora=tuning.method == "dora",
    )  # fmt: skip
    network.add_adapter(config, adapter_name=ADAPTER)  # type: ignore[operator]
    for name, parameter in network.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)


def _ends(name: str, targets: list[str]) -> bool:
    return any(fnmatchcase(f".{name}", f"*.{target}") for target in targets)


@contextmanager
def untaught(network: nn.Module) -> Iterator[nn.Module]:
    """The network without its low-rank weights, while the block runs."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in network.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield network
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def weights(network: nn.Module, tuning: Tuning) -> dict[str, Tensor]:
    """The low-rank weights by their layers' names, on the CPU, with alpha / rank multiplied in.

    Where processes hold a part of them each, all have to ask.
    """
    found = {}
    for name, parameter in network.named_parameters():
        if match := re.fullmatch(rf"(.+)\.(lora_A|lora_B)\.{ADAPTER}\.weight", name):
            scale = tuning.alpha / tuning.rank if match[2] == "lora_B" else 1.0
            found[f"{match[1]}.{match[2]}.weight"] = (whole(parameter.detach()).float() * scale).cpu().contiguous()
        elif match := re.fullmatch(rf"(.+)\.lora_magnitude_vector\.{ADAPTER}\.weight", name):
            found[f"{match[1]}.lora_magnitude_vector"] = whole(parameter.detach()).float().cpu().contiguous()
    return found


def write(learnt: dict[str, Tensor], network: nn.Module, trainee: Trainee, tuning: Tuning, folder: Path) -> list[Path]:
    """Write `weights` of a network in diffusers' and ComfyUI's names into a folder that exists; the files."""
    from safetensors.torch import save_file

    prefix = trainee.component.removesuffix("_2")  # diffusers reads files for either of two networks alike
    name = trainees.lora_file(tuning.expert)
    settings = {
        "r": tuning.rank, "lora_alpha": tuning.rank, "use_dora": tuning.method == "dora",
        "target_modules": sorted({layer.rsplit(".lora_", 1)[0] for layer in learnt}),
    }  # fmt: skip
    told = {METADATA_KEY: json.dumps({f"{prefix}.{key}": value for key, value in settings.items()})}
    named = {f"{prefix}.{key}": tensor for key, tensor in learnt.items()}
    files = {folder / name: (named, told)}
    if tuning.method == "lora" and (comfy := comfyui.converted(network, trainee, learnt)):
        (folder / COMFY_FOLDER).mkdir(exist_ok=True)
        copy = f"{folder.name}.safetensors" if tuning.expert is None else name
        files[folder / COMFY_FOLDER / copy] = comfy, {}
    for file, (tensors, metadata) in files.items():
        partial = file.with_suffix(".part")
        save_file(tensors, partial, {"format": "pt", **metadata})
        partial.replace(file)
    return list(files)
