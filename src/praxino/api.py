"""The Python library: a sentence in, a clip out."""

from __future__ import annotations

import base64
import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.engine.drawn import Drawn
from praxino.engine.output import save_clips
from praxino.errors import UserError
from praxino.events import OnStep, StepEvent
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.media.sound import Sound


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames, and the recipe that draws them again."""

    frames: np.ndarray
    """(F, H, W, 3) uint8 RGB."""
    recipe: Recipe
    notes: tuple[str, ...] = ()
    """What the user should know about how the prompt was read."""
    sound: Sound | None = None
    """What is heard with it; kept in files of formats that have sound, MP4 and WebM."""

    def save(self, path: str | Path, *, metadata: bool = True) -> Path:
        """Write a file of the format that its extension names, with the recipe inside unless `metadata` is False.

        Raises:
            UserError: the extension or the folder will not do.
        """
        from praxino import media
        from praxino.engine.encoding import encoding_for

        path = Path(path).expanduser()
        encoding = encoding_for(self.recipe.encoding, path)
        media.check_output(path, encoding, len(self.frames))
        recipe = dataclasses.replace(self.recipe, encoding=encoding)
        return save_clips([Drawn(self.frames, self.sound)], recipe, path, metadata=metadata)[0]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """How a notebook shows the clip: the animation itself, and its prompt."""
        return {"text/html": self._html(), "text/plain": repr(self)}

    def _html(self) -> str:
        import html

        with tempfile.TemporaryDirectory() as folder:
            data = self.save(Path(folder) / "clip.webp").read_bytes()
        width = max(self.recipe.width, min(256, self.recipe.width * 4))
        return (
            f'<img src="data:image/webp;base64,{base64.b64encode(data).decode()}" width="{width}" '
            f'alt="{html.escape(self.recipe.prompt[:200], quote=True)}" style="image-rendering: auto">'
        )

    def __repr__(self) -> str:
        frames, height, width, _ = self.frames.shape
        return f"Clip({self.recipe.prompt[:60]!r}, {width}x{height}, {frames} frames, seed {self.recipe.seed})"


def generate(prompt: str = "", *, on_step: OnStep | None = None, device: str | None = None, **fields: Any) -> Clip:
    """Draw one clip.

    Args:
        prompt: what to draw.
        on_step: called after each step; raise `praxino.errors.Cancelled` in it to stop.
        device: cpu, cuda, ...; the best one when not given.
        **fields: any other field of `praxino.request.Request`, such as `seed=7`, `image="logo.png"`.

    Raises:
        UserError: the wish cannot be granted as written; nothing was loaded.
    """
    if fields.get("n", 1) != 1:
        raise UserError(f"generate draws one clip, got n={fields['n']!r}; use generate_many.")
    return generate_many(prompt, on_step=on_step, device=device, **fields)[0]


def generate_many(
    prompt: str = "", *, on_step: OnStep | None = None, device: str | None = None, **fields: Any
) -> list[Clip]:
    """Draw `n` clips, from seed, seed + 1, ...; arguments as for `generate`."""
    from praxino.engine.fitting import draw_as_fits
    from praxino.engine.resolve import resolve

    resolution = resolve(_request(prompt, fields))
    recipe, clips = draw_as_fits(resolution.recipe, on_step or _ignore, device=device)
    notes = resolution.notes
    return [Clip(clip.frames, recipe.single(i), notes, clip.sound) for i, clip in enumerate(clips)]


def replay(path: str | Path, *, on_step: OnStep | None = None, device: str | None = None) -> list[Clip]:
    """Draw a file's clips again, from the recipe inside it: the same pixels."""
    from praxino.engine.output import read_recipe
    from praxino.engine.run import draw

    recipe = read_recipe(Path(path))
    clips = draw(recipe, on_step or _ignore, device=device)
    return [Clip(clip.frames, recipe.single(i), sound=clip.sound) for i, clip in enumerate(clips)]


def _request(prompt: str, fields: dict[str, Any]) -> Request:
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()}
    return Request.from_json({"prompt": prompt, **plain})


def _ignore(event: StepEvent) -> None:
    pass
