"""Which tool's names a LoRA file carries, told from its tensors' names alone. The families translate and apply them."""

from __future__ import annotations

from collections.abc import Mapping

DOWN_UP = (
    (".lora_A.weight", ".lora_B.weight"),
    (".lora_A.default.weight", ".lora_B.default.weight"),
    (".lora_down.weight", ".lora_up.weight"),
    (".lora.down.weight", ".lora.up.weight"),
    ("_lora.down.weight", "_lora.up.weight"),
    (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
)
"""How the two factors of one layer end: peft, kohya and ComfyUI, and the earlier names of diffusers."""


def describe(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Naming and rank, as in "kohya names, rank 16"; None when these are not the tensors of a LoRA.

    Raises:
        ValueError: they are, but a layer lacks one of its two factors; the message names it.
    """
    ranks = set()
    for name, shape in shapes.items():
        for down, up in DOWN_UP:
            if name.endswith(down):
                _need(shapes, name, name.removesuffix(down) + up)
                ranks.add(shape[0])
            elif name.endswith(up):
                _need(shapes, name, name.removesuffix(up) + down)
    if not ranks:
        return None
    rank = f"rank {min(ranks)}" if len(ranks) == 1 else f"ranks {min(ranks)} to {max(ranks)}"
    return f"{naming(shapes)} names, {rank}"


def naming(names: Mapping[str, object]) -> str:
    """kohya, ComfyUI or diffusers."""
    if any(name.startswith("diffusion_model.") or name.startswith("model.diffusion_model.") for name in names):
        return "ComfyUI"
    if any("." not in _module(name) and "_" in _module(name) for name in names):
        return "kohya"
    return "diffusers"


def _module(name: str) -> str:
    """The layer of a factor; kohya writes its path with underscores instead of dots."""
    for suffixes in DOWN_UP:
        for suffix in suffixes:
            if name.endswith(suffix):
                return name.removesuffix(suffix)
    return name


def _need(names: Mapping[str, object], there: str, other: str) -> None:
    if other not in names:
        raise ValueError(f"it holds {there!r} but not {other!r}")
