"""Whether a clip has sound, and where that comes from. Loads nothing."""

from __future__ import annotations

from praxino import media
from praxino.engine.conditions import Source
from praxino.families import Variant
from praxino.recipe import Recipe, Sound
from praxino.request import Request


def resolve_sound(request: Request, variant: Variant, sources: list[Source], clip: tuple[int, float]) -> Sound:
    """Drawn where the variant can; kept where a clip that has any is extended, or changed in its own time and length.

    Args:
        request: the wish.
        variant: what draws.
        sources: what it is given.
        clip: frames and rate of the clip in the file.

    Raises:
        UserError: the sound of the clip is damaged.
    """
    if request.sound is False:
        return "none"
    if "sound" in variant.steering:
        return "drawn"
    if request.video is None or not (request.join or _in_its_own_time(sources, *clip)):
        return "none"
    return "none" if media.read_sound(request.video) is None else "kept"


def _in_its_own_time(sources: list[Source], num_frames: int, fps: float) -> bool:
    changed = [source for source in sources if source.role == "video"]
    return any(len(source.frames) == num_frames and abs(source.fps - fps) < _SAME_FPS for source in changed)


_SAME_FPS = 0.01


def sound_notes(recipe: Recipe) -> list[str]:
    """What the user is told of it."""
    if recipe.sound == "none":
        return []
    if recipe.encoding.format not in media.AUDIBLE or recipe.encoding.grid:
        where = "several clips in one file have" if recipe.encoding.grid else f"a {recipe.encoding.format} file has"
        return [f"the sound is left out, as {where} none; write an .mp4 or .webm for it"]
    return ["the clip's own sound is kept"] if recipe.sound == "kept" else []
