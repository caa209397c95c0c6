"""What kind of run a Request asks for, and whether a model can be steered that way. Reads no file, loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from praxino.errors import UserError
from praxino.families import Variant, downloads, families
from praxino.request import Request, flag

CHANGES = ("image-to-image", "inpainting", "outpainting", "instruction-editing")
"""Tasks that change a picture, and so keep its size where they can."""

STEERED_BY = {
    "embedding": "embedding",
    "spatial_base": "spatial-base",
    "true_guidance": "true-guidance",
    "last": "last-frame",
    "keyframes": "keyframes",
    "motion": "motion",
    "sound": "sound",
    "stg": "stg",
    "cfg_star": "cfg-zero-star",
}
"""Fields of a Request that only some variants know, and the word of `Variant.steering` that says so."""
HELD = ("image", "first", "last", "keyframes", "video", "control")
"""Fields of a Request whose pictures and clips hold firmly or loosely."""
_MASK_HINT = " Tell it what to draw: --image FILE with --mask FILE, or with --expand SIDE=PIXELS."


def task_of(request: Request, variant: Variant) -> str:
    """The task that the pictures and clips of a request amount to.

    Raises:
        UserError: the variant does not do it, or a field is missing its picture.
    """
    if request.expand and not request.image:
        raise UserError("--expand is about a picture: add --image FILE.")
    if request.mask and not request.image:
        if not request.video:
            raise UserError("--mask is about a picture: add --image FILE.")
        _check("video-mask", "--mask with --video", variant)
    task = next((task for task in _wanted(request, variant) if task in variant.tasks), None)
    if task is None:
        meant = list(_wanted(request, variant))
        wanted = meant[-1] if _is_still(variant) else meant[0]
        raise UserError(
            f"{variant.name} does not do {wanted}; it does {', '.join(variant.tasks)}."
            + _picture_hint(wanted, variant)
            + _others(lambda other: wanted in other.tasks, variant)
        )
    return task


def _picture_hint(wanted: str, variant: Variant) -> str:
    """What to show to a model that draws nothing without a picture."""
    if {*variant.tasks} == {"inpainting", "outpainting"}:
        return _MASK_HINT
    from_words = any(task.startswith("text-to-") for task in variant.tasks)
    return " Give it a picture: --image FILE." if wanted.startswith("text-to-") and not from_words else ""


def _wanted(request: Request, variant: Variant) -> Iterator[str]:
    """What could be meant, the likeliest first."""
    if request.expand:
        yield "outpainting"
    elif request.mask and not request.video:
        yield "inpainting"
    elif request.video and request.join and "extend" not in variant.steering:
        yield "image-to-video"
    elif request.video:
        yield "video-to-video"
    elif request.first or request.last or request.keyframes:
        yield "image-to-video"
    elif request.image:
        yield from ("image-to-video", "instruction-editing", "image-to-image")
    else:
        yield from ("text-to-video", "text-to-image")


def check_steering(request: Request, variant: Variant) -> None:
    """Refuse what the variant cannot be steered by. Raises UserError with the families that can."""
    for text in request.control:
        _check(f"control:{control_kind(text)}", f"--control {text}", variant)
    if request.reference:
        _check("reference", "--reference", variant)
        if request.reference_use in ("style", "layout"):
            _check(f"reference:{request.reference_use}", f"--reference-use {request.reference_use}", variant)
    elif request.reference_use or request.ip_adapter:
        raise UserError("--reference-use and --ip-adapter are about a --reference picture: add one.")
    if request.controlnet and len(request.controlnet) != len(request.control):
        raise UserError(
            f"--controlnet is given {len(request.controlnet)} times and --control {len(request.control)} times; "
            "give one ControlNet for each, in the same order."
        )
    if request.strength is not None and not any(getattr(request, name) for name in HELD):
        raise UserError("--strength is about a picture or clip: add --image FILE or --video FILE, or leave it out.")
    for name, steering in STEERED_BY.items():
        if getattr(request, name):
            _check(steering, flag(name), variant)
    if request.upscale and "upscale" not in variant.steering:
        raise UserError(
            f"--upscale: {variant.name} has no second stage; draw it larger at once, with --size."
            + _others(lambda other: "upscale" in other.steering and _is_still(other) == _is_still(variant), variant)
        )
    if request.motion_template and not _follows_motions(variant):
        raise UserError(f"--motion-template: {variant.name} cannot follow motions.{_others(_follows_motions, variant)}")
    if request.motion_strength is not None:
        _check("motion-strength", flag("motion_strength"), variant)
    if request.guider in ("apg", "cfg-zero-star"):
        _check(request.guider, f"--guider {request.guider}", variant)
    if request.extend and not request.video:
        raise UserError("--extend needs the clip to extend: --video FILE")
    if request.join and not request.extend:
        raise UserError("--join is about a clip that is extended: add --extend forward, or backward.")
    if request.join and "extend" not in variant.steering:
        if request.extend == "backward":
            _check("last-frame", "--extend backward", variant)
    elif request.extend:
        _check("extend", "--extend", variant)
    if request.camera and _is_still(variant):
        raise UserError(f"--camera moves, and {variant.name} draws pictures; leave it out.")


def _follows_motions(variant: Variant) -> bool:
    return "motion-template" in variant.steering or ("control:pose" in variant.steering and not _is_still(variant))


def _is_still(variant: Variant) -> bool:
    return variant.grid.max_frames == 1


def control_kind(text: str) -> str:
    """Canny of "canny=photo.png" and of "canny-map=edges.png". Raises UserError where there is none."""
    kind, equals, _ = text.partition("=")
    if not equals or not kind:
        raise UserError(f"--control is {text[:200]!r}; write KIND=FILE[:SCALE], as in canny=photo.png:0.8")
    return kind.removesuffix("-map")


def _check(steering: str, said: str, variant: Variant) -> None:
    if steering in variant.steering:
        return
    same = [name.partition(":")[2] for name in variant.steering if name.startswith(steering.partition(":")[0] + ":")]
    hint = f" It knows {', '.join(same)}." if same else _others(lambda other: steering in other.steering, variant)
    raise UserError(f"{said}: {variant.name} cannot be steered by {steering.replace(':', ' ')}.{hint}")


def _others(can: Callable[[Variant], bool], variant: Variant) -> str:
    """The families with a checkpoint that can, the variant's own first; its name too, where the family's is no use."""
    able: list[str] = []
    for name, family in families().items():
        published = downloads(family)
        first = next((variant.name for variant in published if can(variant)), None)
        if first is not None:
            said = name if can(published[0]) else f"{name} ({first})"
            able.insert(0 if variant.name in family.variants else len(able), said)
    return f" Families that can: {', '.join(able)}." if able else ""
