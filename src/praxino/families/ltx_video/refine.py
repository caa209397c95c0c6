"""Drawing in two passes: small first, then twice as large over the first one's latents. Decides sizes; no torch.

Source: Lightricks/LTX-Video at 5260738, ltx_video/pipelines/pipeline_ltx_video.py (LTXMultiScalePipeline) and
configs/*.yaml.
"""

from __future__ import annotations

import dataclasses

from praxino.errors import UserError
from praxino.families import Shape, Variant
from praxino.families.ltx_video.settings import Refinement, SecondPass, Settings, second_pass
from praxino.recipe import Companion
from praxino.request import Request

DOWNSCALE = 0.6666666
"""The first pass's share of the sides, as the authors write it."""
FACTOR = 2
"""How much larger the second pass is than the first, along each side."""
UPSAMPLER = "upsampler"
"""The companion's role."""


def wanted(request: Request, variant: Variant, shape: Shape) -> SecondPass | None:
    """The second pass that a request is drawn with, None for one pass.

    Whoever gives noise levels of their own gets them alone, unless they ask for two passes.
    """
    found = second_pass(variant.options)
    if found is None or shape.upscale:
        return found
    own_levels = request.sigmas is not None or request.schedule is not None
    return found if found.by_default and not own_levels else None


def first_size(shape: Shape, settings: Settings) -> tuple[int, int]:
    """Width and height of the first pass: as asked, or two thirds where no larger size is asked for.

    Raises:
        UserError: the clip is too small for that, or is to become more than twice as large.
    """
    if shape.upscale:
        if any(to > FACTOR * side for to, side in zip(shape.upscale, (shape.width, shape.height), strict=True)):
            raise UserError(
                f"--upscale: {shape.upscale[0]}x{shape.upscale[1]} is more than {FACTOR} times "
                f"{shape.width}x{shape.height}, which is what the latent upsampler does. Draw it larger with --size."
            )
        return shape.width, shape.height
    ratio = settings.spatial_ratio
    width, height = (int(side * DOWNSCALE) // ratio * ratio for side in (shape.width, shape.height))
    if not width or not height:
        raise UserError(
            f"{shape.width}x{shape.height} is too small to be drawn in two passes: sides are at least {2 * ratio}."
        )
    return width, height


def refinement(request: Request, second: SecondPass, size: tuple[int, int], first_steps: int) -> Refinement:
    """What a recipe carries of it. `--stg 0` holds for both passes, all else that is asked for the first alone."""
    phases = second.guidance_phases
    if request.stg == 0:
        phases = tuple(dataclasses.replace(phase, stg_scale=0.0, stg_blocks=()) for phase in phases)
    return Refinement(first_steps, *size, phases)


def companions(second: SecondPass | None) -> tuple[Companion, ...]:
    """The latent upsampler, unless it lies in the model's own folder."""
    return (Companion(UPSAMPLER, second.upsampler),) if second and second.upsampler else ()
