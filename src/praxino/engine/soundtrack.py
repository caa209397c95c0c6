"""Whether a clip has sound, and where that comes from. Loads nothing."""

from __future__ import annotations

from praxino import media
from praxino.families import Variant
from praxino.recipe import Recipe, Sound
from praxino.request import Request


def resolve_sound(request: Request, variant: Variant, task: str, fps: float) -> Sound:
    """Drawn where the variant can; kept where a clip is changed in its own time, or extended, and has any.

    Raises:
        UserError: the sound of the clip is damaged.
    """
    if request.sound is False:
        return "none"
    if "sound" in variant.steering:
        return "drawn"
    changed = task == "video-to-video" and "extend" not in variant.steering
    if request.video is None or not (request.join or changed) or media.read_sound(request.video) is None:
        return "none"
    if not request.join and abs(media.read_clip(request.video)[1] - fps) > _SAME_FPS:
        return "none"
    return "kept"


_SAME_FPS = 0.01


def sound_notes(recipe: Recipe) -> list[str]:
    """What the user is told of it."""
    if recipe.sound == "none":
        return []
    if recipe.encoding.format not in media.AUDIBLE or recipe.encoding.grid:
        where = "several clips in one file have" if recipe.encoding.grid else f"a {recipe.encoding.format} file has"
        return [f"the sound is left out, as {where} none; write an .mp4 or .webm for it"]
    return ["the clip's own sound is kept"] if recipe.sound == "kept" else []
