"""What makes a run faster: the means that there are, which of them a run gets, and why. Imports no torch.

Three degrees. exact: what the plain networks answer, to five digits, and bit for bit where no other way of computing
was faster. near: other roundings. fast: computations are left out as well. A degree has the means of those before it.
What changes pixels is in the recipe: as its `dtype`, or in its `speed`, as NAME:VALUE.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from praxino.accel import caches, calibrations, ways
from praxino.accel.caches import Caching
from praxino.accel.calibrations import LEAST_SSIM, Choice
from praxino.accel.hardware import Hardware
from praxino.accel.paces import Pace, kind_of
from praxino.accel.plan import Plan
from praxino.accel.ways import GRAPHS, PRODUCTS, WAYS
from praxino.errors import UserError
from praxino.families import Variant
from praxino.recipe import QUALITIES, GuidancePhase, Quality, Recipe

ANSWERS, OWN, BFLOAT16, COMPILE = "answers", "own", "bfloat16", "compile"
QUANTISED, REUSE, UNGUIDED = "quantised", "reuse", "unguided"
NAMES = (ANSWERS, BFLOAT16, *WAYS, COMPILE, QUANTISED, REUSE, UNGUIDED)
"""The means that can be switched off. A family's own are asked for by its degrees alone."""
NOT_KEPT = ("hotshot-xl", "qwen-image-2.1")
"""Families whose encoders are made of tensors, or whose layers are called one by one: their answers are not kept."""
COLD_SECONDS = 60.0
"""What compiling takes where it was not measured; one kind of block took 42 s on one thread (docs/how-to/speed.md)."""
EXPECTED_GAIN = 0.2
"""The part of a step that compiled blocks save, where it was not measured."""
FIRST_SHARE = 0.2
"""Of the steps, that is computed in any case: 10 of 50, as EasyCache has it for Wan."""
FEWEST_STEPS = 12
"""Fewer leave nothing that could be reused."""
PHASED = ("ltx-video", "mochi", "wan")
"""Families whose loops take guidance by noise level, out of the recipe's sigmas."""


LEAST_CAPABILITY: Mapping[str, tuple[int, int]] = {"float8": (8, 9), "int8": (8, 0)}
"""What an Nvidia GPU has to be to multiply such numbers (torchao, quantization/quant_api.py), the faster one first."""


@dataclass(frozen=True)
class Item:
    """One means, as it is decided for a run."""

    name: str
    degree: Quality
    """The first degree that has it."""
    is_on: bool
    why: str
    error: str
    """What it does to the pixels."""
    value: str = ""
    """What `Recipe.speed` keeps of it; empty where it is kept elsewhere, or changes nothing."""


def speed_plan(
    hardware: Hardware,
    variant: Variant,
    recipe: Recipe,
    *,
    own_dtype: bool = False,
    without: Sequence[str] = (),
    paces: Mapping[str, Pace] = MappingProxyType({}),
    is_crowded: Callable[[], bool] = lambda: False,
    choice: Choice | None = None,
    plan: Callable[[], Plan] = lambda: Plan("resident"),
) -> tuple[Item, ...]:
    """Every means, on or off, for a recipe that has none yet.

    Args:
        hardware: of the device that it is drawn on.
        variant: what draws it.
        recipe: with the number format that exact pixels have.
        own_dtype: whether the user chose that format.
        without: the means that are switched off, of `NAMES`.
        paces: what runs took on this machine, by their kind.
        is_crowded: see `ways.best`.
        choice: what is left out in fast; the family's usual when not given.
        plan: tells how its networks share memory.

    Raises:
        UserError: `without` names what is not.
    """
    if unknown := sorted(set(without) - set(NAMES)):
        raise UserError(f"PRAXINO_WITHOUT names {unknown[0][:60]!r}; known are {', '.join(NAMES)}.")
    bfloat16 = _bfloat16(hardware, variant, recipe, own_dtype)
    dtype = BFLOAT16 if _is_chosen(bfloat16, recipe.quality, without) else recipe.dtype
    choice = choice or calibrations.usual(recipe.family)
    pace = paces.get(kind_of(recipe, dtype, hardware.device), Pace())
    compiled = _compile(hardware, variant, recipe, pace)
    why_not = why_not_tried(variant, recipe)
    if not why_not and not pace.tried_all and not _is_chosen(compiled, recipe.quality, without):
        why_not = "not all ways of computing were tried here yet; runs of this size that take long enough do it"
    found = {kind: _way(kind, why_not, recipe.quality, pace, is_crowded) for kind in WAYS}
    if variant.vocabulary:
        found[PRODUCTS] = _small_products(hardware, recipe)
    if all(_is_chosen(one, recipe.quality, without) for one in (compiled, found[PRODUCTS])):
        compiled, found[PRODUCTS] = _either(compiled, found[PRODUCTS], recipe.quality, pace)
    reuse = _reuse(recipe, choice)
    others = [one for one in (compiled, reuse) if _is_chosen(one, recipe.quality, without)]
    found[GRAPHS] = _graphs(found[GRAPHS], hardware, recipe, others, plan)
    items = tuple(
        dataclasses.replace(item, is_on=False, why="switched off by PRAXINO_WITHOUT") if item.name in without else item
        for item in (
            _answers(variant, recipe),
            _own(variant, recipe),
            bfloat16,
            *found.values(),
            compiled,
            _quantised(hardware, recipe, is_compiled=_is_chosen(compiled, recipe.quality, without)),
            reuse,
            _unguided(recipe, choice),
        )
    )
    items = tuple(_within(item, recipe.quality) for item in items)
    return items


def decided(recipe: Recipe, items: Sequence[Item]) -> Recipe:
    """The recipe with what of the means changes its pixels; of quality exact where none of them does."""
    on = {item.name: item for item in items if item.is_on}
    dtype = "bfloat16" if BFLOAT16 in on else recipe.dtype
    speed = tuple(f"{item.name}:{item.value}" for item in on.values() if item.value)
    quality: Quality = recipe.quality if any(item.degree != "exact" for item in on.values()) else "exact"
    return dataclasses.replace(recipe, quality=quality, dtype=dtype, speed=speed)


def value_of(recipe: Recipe, name: str) -> str:
    """What the recipe keeps of a means; "" where it has it not.

    Raises:
        UserError: the recipe has a means that is not known here.
    """
    kept = {name: value for name, _, value in (one.partition(":") for one in recipe.speed)}
    if unknown := sorted(set(kept) - {*WAYS, COMPILE, QUANTISED, REUSE, UNGUIDED}):
        raise UserError(
            f"the recipe's speed has {unknown[0][:60]!r}, which this Praxino does not know; upgrade it:\n"
            "pip install --upgrade praxino"
        )
    return kept.get(name, "")


def phases_of(recipe: Recipe) -> tuple[GuidancePhase, ...]:
    """The guidance of a run: as the recipe has it, but none in the last of its steps where it says so."""
    if not (value := value_of(recipe, UNGUIDED)):
        return recipe.guidance_phases
    first = recipe.sigmas[len(recipe.sigmas) - int(value)]
    kept = tuple(phase for phase in recipe.guidance_phases if phase.start > first)
    later = (phase for phase in recipe.guidance_phases if phase.start <= first)
    starts = (dataclasses.replace(kept[-1], start=first), *later)
    return (*kept, *(dataclasses.replace(phase, scale=1.0) for phase in starts))


def why_not_compiled(recipe: Recipe) -> str:
    """What about a run keeps its blocks from being compiled, and its pace from being compared; or ""."""
    if recipe.loras or any(not companion.role.startswith("embedding:") for companion in recipe.companions):
        return "LoRAs and companions change the blocks"
    return ""


def why_not_tried(variant: Variant, recipe: Recipe) -> str:
    """What about a run keeps other ways of computing from being tried, and used; or ""."""
    return "its networks are too small to gain by it" if variant.vocabulary else why_not_compiled(recipe)


def _is_chosen(item: Item, quality: Quality, without: Sequence[str]) -> bool:
    return _within(item, quality).is_on and item.name not in without


def _within(item: Item, quality: Quality) -> Item:
    if QUALITIES.index(item.degree) <= QUALITIES.index(quality):
        return item
    return dataclasses.replace(item, is_on=False, why=f"of quality {item.degree}; {quality} is asked for")


def _answers(variant: Variant, recipe: Recipe) -> Item:
    error = "none: the same bits"
    if variant.vocabulary:
        return Item(ANSWERS, "exact", False, "its words are read in milliseconds", error)
    if recipe.family in NOT_KEPT:
        return Item(ANSWERS, "exact", False, f"{recipe.family} calls parts of its text encoder by themselves", error)
    if recipe.loras or any(companion.role.startswith("embedding:") for companion in recipe.companions):
        return Item(ANSWERS, "exact", False, "LoRAs and embeddings may change the text encoders", error)
    return Item(ANSWERS, "exact", True, "a prompt that was read before needs no text encoder", error)


def _own(variant: Variant, recipe: Recipe) -> Item:
    degree: Quality = variant.qualities[0] if variant.qualities else "near"
    error = "see docs/how-to/speed.md"
    if recipe.quality in variant.qualities:
        return Item(OWN, degree, True, f"{variant.name} is drawn in other number formats by itself", error)
    return Item(OWN, degree, False, f"{variant.name} has no means of its own", error)


def _bfloat16(hardware: Hardware, variant: Variant, recipe: Recipe, own_dtype: bool) -> Item:
    error = "rounds to 8 bits: not the same picture in detail"
    if variant.qualities:
        why = f"{variant.name} has its own means"
    elif own_dtype and recipe.dtype == BFLOAT16 and hardware.computes_bfloat16:
        return Item(BFLOAT16, "near", True, "--dtype bfloat16 is asked for", error)
    elif own_dtype:
        why = f"--dtype {recipe.dtype} is asked for"
    elif recipe.dtype != "float32":
        why = f"it is drawn in {recipe.dtype} in any case"
    elif variant.dtype == "float32":
        why = f"{variant.name} is made for float32"
    elif variant.vocabulary and hardware.device == "cpu":
        why = "its small networks are faster in float32, with weights laid out for this processor"
    elif not hardware.computes_bfloat16:
        why = f"{hardware.device} has no instructions for it"
    else:
        return Item(BFLOAT16, "near", True, "the processor multiplies it faster than float32", error)
    return Item(BFLOAT16, "near", False, why, error)


def _way(kind: str, why_not: str, quality: Quality, pace: Pace, is_crowded: Callable[[], bool]) -> Item:
    found = None if why_not else ways.best(kind, pace, quality, is_crowded)
    if found is None:
        return Item(kind, "exact", False, why_not or ways.told(kind, pace), "measured, where it is used")
    error = f"an answer of the denoiser was off by {found.error:.1g} of its largest value"
    value = found.name.partition(":")[2]
    why = f"{value}: a call took {found.seconds:.3g} s, {found.plain:.3g} s plainly"
    return Item(kind, ways.degree_of(found), True, why, error, value)


def _small_products(hardware: Hardware, recipe: Recipe) -> Item:
    """Of the bundled model: it is too small to be tried, and known."""
    error = "frames are 59 dB from exact ones (docs/how-to/speed.md)"
    if (hardware.device, recipe.dtype) != ("cpu", "float32"):
        why = "its networks have others in float32 on a CPU alone"
    elif not hardware.computes_bfloat16:
        why = f"{hardware.device} has no instructions for bfloat16"
    elif not (why := why_not_compiled(recipe)):
        return Item(PRODUCTS, "near", True, "layers multiply in bfloat16: a third less time", error, BFLOAT16)
    return Item(PRODUCTS, "near", False, why, error)


def _graphs(item: Item, hardware: Hardware, recipe: Recipe, others: Sequence[Item], plan: Callable[[], Plan]) -> Item:
    """Calls as they were recorded, where nothing changes between them that Python decides."""
    if not hardware.device.startswith("cuda"):
        why = "for GPUs that torch calls cuda"
    elif not item.is_on:
        return item
    elif any(phase.stg_scale > 0 for phase in recipe.guidance_phases):
        why = "blocks are perturbed in some passes; a recorded call stays as it was"
    elif others:
        why = f"{others[0].name} is on: it decides between the blocks, or records them, itself"
    elif (found := plan()).moves_weights:
        why = f"the memory plan {found.name} moves the weights; a recorded call reads them where they were"
    else:
        return item
    return dataclasses.replace(item, is_on=False, why=why)


def _either(compiled: Item, products: Item, quality: Quality, pace: Pace) -> tuple[Item, Item]:
    """The one that saves more: they change the same layers."""
    found = ways.best(PRODUCTS, pace, quality)
    if found is not None and found.gain < _compile_gain(pace):
        return compiled, dataclasses.replace(products, is_on=False, why="compiled blocks save more")
    return dataclasses.replace(compiled, is_on=False, why="other products of layers save more"), products


def _compile(hardware: Hardware, variant: Variant, recipe: Recipe, pace: Pace) -> Item:
    error = "rounds in another order: off by less than the number format itself"
    if variant.vocabulary:
        why = "its networks are too small to gain by it"
    elif not hardware.compiles:
        why = f"there is no compiler for {hardware.device}: it takes g++ or clang, for a GPU Triton as well"
    elif not (why := why_not_compiled(recipe)):
        why = _why_not_pays(pace, recipe.steps * recipe.n * recipe.pieces.count)
    if why:
        return Item(COMPILE, "near", False, why, error)
    return Item(COMPILE, "near", True, "the denoiser's blocks are compiled: it pays in this run", error, "blocks")


def _quantised(hardware: Hardware, recipe: Recipe, *, is_compiled: bool) -> Item:
    error = "products of numbers rounded to 8 bits: int8 off by 1.4%, float8 not measured here"
    kinds = [kind for kind, least in LEAST_CAPABILITY.items() if hardware.capability >= least]
    if not hardware.device.startswith("cuda"):
        why = "for Nvidia's GPUs"
    elif not hardware.has_torchao:
        why = "torchao does it: pip install 'praxino[quantised]'"
    elif not kinds:
        why = "this GPU does not multiply 8-bit numbers"
    elif not is_compiled:
        why = "without compiled blocks, rounding takes longer than it saves"
    elif recipe.dtype != BFLOAT16:
        why = f"it is drawn in {recipe.dtype}"
    else:
        why = f"this GPU multiplies {kinds[0]} faster"
        return Item(QUANTISED, "near", True, why, error, kinds[0])
    return Item(QUANTISED, "near", False, why, error)


def _why_not_pays(pace: Pace, num_steps: int) -> str:
    if pace.failed:
        return "its blocks could not be compiled here"
    if not pace.plain:
        return "what a step takes here is not known yet; the first run of this size measures it"
    gain = _compile_gain(pace)
    if gain <= 0:
        return f"a step took {pace.compiled:.3g} s compiled and {pace.plain:.3g} s plain"
    saved, cost = num_steps * pace.plain * gain, pace.first if pace.compiled else COLD_SECONDS
    return "" if saved > cost else f"it takes {cost:.3g} s and saves {saved:.3g} s of {num_steps} steps"


def _compile_gain(pace: Pace) -> float:
    """The part of a step that compiled blocks save."""
    return 1 - pace.compiled / pace.plain if pace.compiled else EXPECTED_GAIN


def _reuse(recipe: Recipe, choice: Choice) -> Item:
    if choice.kind == "none":
        why = f"{choice.why}: no cache is faster here with SSIM {LEAST_SSIM:.2f} or more"
        return Item(REUSE, "fast", False, why, choice.error)
    why = caches.why_not(choice.kind, recipe.family, in_blocks=are_blocks_fed(recipe))
    if why and not choice.is_asked and choice.kind != "easy":
        return _reuse(recipe, calibrations.usual(recipe.family))
    if not why and recipe.steps < FEWEST_STEPS:
        why = f"{recipe.steps} steps are too few to leave any out; {FEWEST_STEPS} are not"
    if why:
        return Item(REUSE, "fast", False, why, choice.error)
    caching = caching_of(choice, recipe.steps)
    why = f"after {caching.first} steps, those that hardly change are made of earlier ones"
    why += f"; {choice.why}" if choice.why else ""
    return Item(REUSE, "fast", True, why, choice.error, str(caching))


def caching_of(choice: Choice, num_steps: int) -> Caching:
    """What a run of so many steps leaves out by a choice of some cache."""
    assert choice.kind != "none"
    first = math.ceil(FIRST_SHARE * num_steps)
    return Caching(choice.kind, choice.bound, first, choice.longest, choice.ratios if choice.kind == "mag" else ())


def are_blocks_fed(recipe: Recipe) -> bool:
    """Whether others put something between a denoiser's blocks, or leave blocks out."""
    fed = any(not companion.role.startswith("embedding:") for companion in recipe.companions)
    leaves_out = recipe.stg_mode == "transformer-block" and any(phase.stg_scale > 0 for phase in recipe.guidance_phases)
    return fed or leaves_out


def unguided_count(recipe: Recipe, share: float) -> int:
    """How many steps a share of a recipe's are."""
    return int(share * len(recipe.sigmas))


def why_not_unguided(recipe: Recipe) -> str:
    """What about a run keeps guidance in its last steps; or ""."""
    falls = all(one > other for one, other in zip(recipe.sigmas, recipe.sigmas[1:], strict=False))
    if not any(phase.scale > 1 for phase in recipe.guidance_phases):
        return "guidance is off: one pass a step"
    if recipe.family not in PHASED or not falls or recipe.upscale or recipe.options.get("apg"):
        return "its loop, or how it guides, has no phases"
    return ""


def _unguided(recipe: Recipe, choice: Choice) -> Item:
    error = choice.error if choice.is_calibrated else "guidance is off where it changes little; not measured here"
    count = unguided_count(recipe, choice.unguided)
    if why := why_not_unguided(recipe):
        return Item(UNGUIDED, "fast", False, why, error)
    if count == 0:
        return Item(UNGUIDED, "fast", False, f"{recipe.steps} steps are too few", error)
    return Item(UNGUIDED, "fast", True, f"the last {count} steps take one pass", error, str(count))
