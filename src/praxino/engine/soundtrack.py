"""Whether a clip has sound, and where that comes from. Loads nothing."""

from __future__ import annotations

from praxino import media
from praxino.engine.conditions import Source
from praxino.families import Variant
from praxino.recipe import Recipe, Sound
from praxino.request import Request


def resolve_sound(request: Request, variant: Variant, sources: list[Source]) -> Sound:
    """Drawn where the variant can; kept where a clip that has any is extended, or changed: it stays in its own time.

    Raises:
        UserError: the sound of the clip is damaged.
    """
    if request.sound is False:
        return "none"
    if "sound" in variant.steering:
        return "drawn"
    if request.video is None or not (request.join or any(source.role == "video" for source in sources)):
        return "none"
    return "none" if media.read_sound(request.video) is None else "kept"


def sound_notes(recipe: Recipe) -> list[str]:
    """What the user is told of it."""
    if recipe.sound == "none":
        return []
    if recipe.encoding.format not in media.AUDIBLE or recipe.encoding.grid:
        where = "several clips in one file have" if recipe.encoding.grid else f"a {recipe.encoding.format} file has"
        return [f"the sound is left out, as {where} none; write an .mp4 or .webm for it"]
    return ["the clip's own sound is kept"] if recipe.sound == "kept" else []
