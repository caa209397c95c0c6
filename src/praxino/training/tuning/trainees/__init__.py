"""How each family learns: a module each, found by its name. This one imports no torch."""

from __future__ import annotations

import pkgutil
from typing import Literal

from praxino.errors import UserError
from praxino.families import Variant

OF_MOTION_ALONE = ("hotshot-xl",)
"""Families that learn nothing from a picture, beside the models that set one in motion."""

Expert = Literal["high", "low"]
EXPERTS: dict[Expert, str] = {"high": "high_noise_model", "low": "low_noise_model"}
"""What Wan's authors call the two networks of a model, and LoRA files for one of them."""
LORA_FILE = "pytorch_lora_weights"

READ_WHILE_LEARNING: dict[str, tuple[str, ...]] = {
    "cogvideox": ("vae",),
    "hunyuan-video-i2v": ("text_encoder",),
}
"""What a trainee needs at every step beside the network that is trained: all else has done once clips are encoded."""

FROM_WORDS = ("text-to-image", "text-to-video", "image-to-video")
"""The first tasks of variants that can be fine-tuned: others are shown more than a trainee shows."""
BESIDE: dict[str, dict[str, Literal["reference", "mask"]]] = {"flux": {"kontext": "reference", "fill": "mask"}}
"""By the kind of a family's variants, what they are shown beside words, and their trainees show them."""

LEARNT: dict[str, dict[str, tuple[object, ...]]] = {
    "cogvideox": {"beside": ("nothing", "image")},
    "flux": {"kind": ("plain", "kontext", "fill")},
    "wan": {"kind": ("words", "latent", "picture", "first-last")},
}
"""What the options of a family's variants have to be, where its trainee does not fit all of them."""


DIFFUSION = ("cogvideox", "hotshot-xl", "sdxl", "stable-diffusion")
"""Families that answer noise or v at whole timesteps; all others are taught by flow matching."""
WITH_NOISE_OFFSET = ("hotshot-xl", "sdxl", "stable-diffusion")
"""Families whose noise can be moved channel by channel."""
IN_CONTEXT = ("ltx-video",)
"""Families that can be taught to follow a clip beside the one that is drawn."""


def names() -> list[str]:
    """The families that can be fine-tuned."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def check(family: str) -> None:
    """Raise UserError when a family cannot be fine-tuned; names those that can."""
    if family not in names():
        raise UserError(f"{family} cannot be fine-tuned; families that can: {', '.join(names())}.")


def check_variant(family: str, variant: Variant) -> None:
    """Raise UserError when a family's trainee does not fit one of its variants."""
    if variant.tasks[0] not in FROM_WORDS and shown_beside(family, variant) is None:
        raise UserError(f"{variant.name} cannot be fine-tuned: it does {variant.tasks[0]}; choose one that draws.")
    for name, allowed in LEARNT.get(family, {}).items():
        if variant.options[name] not in allowed:
            raise UserError(
                f"{variant.name} cannot be fine-tuned: its {name} is {variant.options[name]}; of {family} those can "
                f"whose {name} is {' or '.join(map(str, allowed))}."
            )


def check_expert(variant: Variant, expert: Expert | None) -> None:
    """Raise UserError when it is not said which of two networks is trained, or when there is one."""
    is_double = bool(variant.options.get("boundary"))
    if is_double and expert is None:
        raise UserError(
            f"{variant.name} is two networks, and a run trains one of them; "
            'write expert = "high" for that of high noise (what happens where), or "low" (how it looks).'
        )
    if expert is not None and not is_double:
        raise UserError(f"expert is {expert!r}, and {variant.name} is one network; leave it out.")


def lora_file(expert: Expert | None) -> str:
    """The name of a LoRA file that is laid over the network that it is for, and no other."""
    return f"{LORA_FILE if expert is None else EXPERTS[expert]}.safetensors"


def shown_beside(family: str, variant: Variant) -> Literal["reference", "mask"] | None:
    """What a variant is shown beside words, None where that is nothing."""
    return BESIDE.get(family, {}).get(variant.options.get("kind", ""))


def learns_from_pictures(family: str, variant: Variant) -> bool:
    """Whether a clip of one frame teaches anything."""
    return family not in OF_MOTION_ALONE and variant.tasks[0] != "image-to-video"
