"""The text that AUTOMATIC1111's web UI, and others after it, keep under "parameters".

A prompt, a line that begins with "Negative prompt:", and a last line of "Name: value" pairs; values with a comma, colon
or line break in them are JSON strings (stable-diffusion-webui, modules/infotext_utils.py).
"""

from __future__ import annotations

import json
import re

from praxino.foreign.samplers import put_sampler
from praxino.foreign.settings import Draft, Settings, number, scaled_name

PROGRAM = "AUTOMATIC1111"
_NEGATIVE = "Negative prompt:"
_PAIR = re.compile(r'(\w[\w \-/]{0,60}):\s{0,8}("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_FEWEST_PAIRS = 3
"""A last line with fewer is a line of the prompt."""
_TAG = re.compile(r"\s{0,4}<(\w{1,32}):([^:<>]{1,256})((?::[^:<>]{0,32}){0,3})>")
_WEIGHTED = re.compile(r"\([^():]*:\s{0,4}[\d.]")
_SWITCHED = re.compile(r"\[[^\[\]:]*:[^\[\]]*\]|\bBREAK\b")
_TOLD = {"Model hash", "Lora hashes", "TI hashes", "VAE hash", "Version", "Batch size", "Batch pos", "User"}
"""Facts about the picture that decide nothing, or that say again what is said elsewhere."""
_SECOND_PASS = ("Hires upscale", "Hires resize", "Hires upscaler", "First pass size")
_WHY = {
    "Clip skip": "text encoders are read to their last layer here",
    "VAE": "the model's own is used",
    "RNG": "noise is drawn on the CPU here, from the seed",
    "Refiner": "there is no refiner here",
    "Variation seed": "there are no variation seeds here",
    "Face restoration": "there is none here",
}
_WHY_SECOND_PASS = "there is no second pass here; the size is that of the first"


def looks_like(text: str) -> bool:
    """Whether a text of unknown origin is one of these."""
    return re.search(r"^Steps: \d+, ", text, re.MULTILINE) is not None


def read_parameters(text: str) -> Settings:
    """Read a "parameters" text; every text is one, if only a prompt."""
    prompt, negative, pairs = split(text)
    draft = Draft(PROGRAM)
    _put_prompts(draft, prompt, negative)
    _put_sampling(draft, pairs)
    _put_strength(draft, pairs)
    draft.checkpoint = pairs.pop("Model", "")
    for name, value in pairs.items():
        if name not in _TOLD:
            why = _WHY_SECOND_PASS if name.startswith(("Hires", "First pass")) else _WHY.get(name)
            draft.leave(f"{name}: {value}", why or "there is nothing like it here")
    return draft.finished()


def split(text: str) -> tuple[str, str, dict[str, str]]:
    """Prompt, negative prompt, and the values of the last line by name."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < _FEWEST_PAIRS:
        lines, pairs = [*lines, last], []
    lines = [line.strip() for line in lines]
    begin = next((i for i, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(line.removeprefix(_NEGATIVE).strip() for line in lines[begin:])
    return "\n".join(lines[:begin]), negative, {name: _unquoted(value.strip()) for name, value in pairs}


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _put_prompts(draft: Draft, prompt: str, negative: str) -> None:
    plain = _TAG.sub("", prompt).strip(" \n")
    if plain != prompt:
        plain = plain.rstrip(" ,")
    draft.put("prompt", plain, "the prompt")
    if negative:
        draft.put("negative_prompt", negative, "the negative prompt")
    loras = []
    for tag, name, values in _TAG.findall(prompt):
        scales = values.removeprefix(":").split(":")
        scale = number(scales[0] or "1")
        if tag != "lora" or scale is None or len(set(scales)) > 1:
            draft.leave(f"<{tag}:{name}{values}>", "only <lora:NAME:WEIGHT> has its like here")
        else:
            loras.append(scaled_name(f"{name}.safetensors", scale))
    if loras:
        draft.put("lora", tuple(loras), "LoRAs")
    if _WEIGHTED.search(f"{plain}\n{negative}"):
        draft.leave("weights in the prompt", "(word:1.2) counts with Stable Diffusion and SDXL; others read it as text")
    if _SWITCHED.search(f"{plain}\n{negative}"):
        draft.leave("switches in the prompt", "[one:other:0.5] and BREAK are read as plain text")


def _put_sampling(draft: Draft, pairs: dict[str, str]) -> None:
    if sampler := pairs.pop("Sampler", ""):
        put_sampler(draft, sampler, pairs.pop("Schedule type", ""))
    distilled = "Distilled CFG Scale" in pairs
    places = {
        "Steps": ("steps", int),
        "Seed": ("seed", int),
        "Distilled CFG Scale": ("guidance", float),
        "CFG scale": ("true_guidance" if distilled else "guidance", float),
    }
    for name, (place, kind) in places.items():
        if name in pairs:
            text = pairs.pop(name)
            value = number(text)
            if value is None or (kind is int and not re.fullmatch(r"-?\d{1,30}", text)):
                draft.leave(f"{name}: {text}", "that is not a number")
            elif not (place == "true_guidance" and value == 1):
                draft.put(place, int(text) if kind is int else value, f"{name}: {text}")
    if re.fullmatch(r"\d{1,6}x\d{1,6}", pairs.get("Size", "")):
        draft.put("size", pairs["Size"], "Size")
        del pairs["Size"]


def _put_strength(draft: Draft, pairs: dict[str, str]) -> None:
    """The strength belongs to the second pass, if there was one; else to a picture that was changed."""
    second = any(name in pairs for name in _SECOND_PASS)
    text = pairs.get("Denoising strength", "")
    strength = number(text)
    if not strength or second:
        if second and text:
            draft.leave(f"Denoising strength: {text}", _WHY_SECOND_PASS)
        pairs.pop("Denoising strength", None)
        return
    draft.put("strength", strength, f"Denoising strength: {text}")
    draft.missing = "image"
    del pairs["Denoising strength"]
