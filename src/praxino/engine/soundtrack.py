"""Whether a clip has sound, and where that comes from. Loads nothing."""

from __future__ import annotations

from pathlib import Path

from praxino import media
from praxino.engine.conditions import Source
from praxino.errors import UserError
from praxino.families import Variant
from praxino.media.sound import Sound as Heard
from praxino.recipe import Recipe, Sound, Soundtrack
from praxino.request import Request
from praxino.weights.hashes import sha256

_LITTLE_SECONDS = 0.05
"""As much as a sound may differ from its clip in length with nobody told: frames of AAC and MP3 are not shorter."""


def resolve_sound(request: Request, variant: Variant, sources: list[Source]) -> Sound:
    """Laid where a soundtrack is given, else drawn where the variant can, else that of the clip it is made of.

    A clip that is extended keeps its sound, and so does one that is changed, which stays in its own time.

    Raises:
        UserError: the sound of the clip is damaged, or what is drawn is no clip.
    """
    if request.soundtrack and variant.grid.max_frames == 1:
        raise UserError(f"--soundtrack is for clips, and {variant.name} draws pictures; leave it out.")
    if request.soundtrack:
        return "laid"
    if request.sound is False:
        return "none"
    if "sound" in variant.steering:
        return "drawn"
    if request.video is None or not (request.join or any(source.role == "video" for source in sources)):
        return "none"
    return "none" if media.read_sound(request.video) is None else "kept"


def resolve_soundtrack(request: Request) -> tuple[Soundtrack, ...]:
    """The file that is laid under the clip; () without one.

    Raises:
        UserError: there is no such file, or no sound in it.
    """
    if request.soundtrack is None:
        return ()
    path = Path(request.soundtrack).expanduser()
    if not path.is_file():
        raise UserError(f"--soundtrack: there is no file {path}; check its name.")
    read_laid(path, _LITTLE_SECONDS)
    return (Soundtrack(str(path), sha256(path)),)


def read_laid(path: Path, seconds: float) -> Heard:
    """The sound of a file, no more than that takes. Raises UserError where there is none."""
    if (sound := media.read_sound(path, seconds)) is None:
        raise UserError(
            f"--soundtrack: there is no sound in {path}; give a WAV, FLAC, MP3, M4A or Ogg file, or a film with sound."
        )
    return sound


def laid_sound(recipe: Recipe) -> Heard:
    """A recipe's soundtrack, as long as the clip.

    Raises:
        UserError: the file is gone, or no longer the same.
    """
    (laid,) = recipe.soundtrack
    path, seconds = Path(laid.source), recipe.num_frames / recipe.fps
    if not path.is_file() or sha256(path) != laid.sha256:
        raise UserError(
            f"the soundtrack {path} is gone, or no longer what the recipe was made with.\n"
            "Put the original back, or draw anew with --soundtrack."
        )
    return read_laid(path, seconds).part(0.0, seconds)


def sound_notes(recipe: Recipe) -> list[str]:
    """What the user is told of it."""
    if recipe.sound == "none":
        return []
    if recipe.encoding.format not in media.AUDIBLE or recipe.encoding.grid:
        where = "several clips in one file have" if recipe.encoding.grid else f"a {recipe.encoding.format} file has"
        return [f"the sound is left out, as {where} none; write an .mp4 or .webm for it"]
    if recipe.sound == "laid":
        return _length_notes(Path(recipe.soundtrack[0].source), recipe.num_frames / recipe.fps)
    return ["the clip's own sound is kept"] if recipe.sound == "kept" else []


def _length_notes(path: Path, seconds: float) -> list[str]:
    """Whether a soundtrack is cut, or ends before the clip."""
    lasts = read_laid(path, seconds + 1).seconds
    if lasts > seconds + _LITTLE_SECONDS:
        return [f"of the soundtrack, the first {seconds:.3g} seconds are heard"]
    if lasts < seconds - _LITTLE_SECONDS:
        return [f"the soundtrack ends after {lasts:.3g} seconds; silence follows"]
    return []
