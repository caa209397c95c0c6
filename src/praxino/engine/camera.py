"""The camera's words as a caption says them, for models that are moved by their prompt alone."""

from __future__ import annotations

from praxino.errors import UserError
from praxino.families import Variant

PHRASES = {
    "pan-left": "the camera pans left",
    "pan-right": "the camera pans right",
    "tilt-up": "the camera tilts up",
    "tilt-down": "the camera tilts down",
    "zoom-in": "the camera zooms in",
    "zoom-out": "the camera zooms out",
    "roll-left": "the camera rolls to the left",
    "roll-right": "the camera rolls to the right",
    "static": "the camera is static",
}
"""By the words of `praxino.request.CAMERA`."""


def with_camera(caption: str, camera: tuple[str, ...], variant: Variant) -> tuple[str, list[str]]:
    """The caption with the camera's movement in it, and notes of that; as it was where the variant moves it itself.

    Raises:
        UserError: the variant reads only the words of its vocabulary.
    """
    if not camera or "camera" in variant.steering:
        return caption, []
    if variant.vocabulary:
        raise UserError(
            f"--camera: {variant.name} reads only the words it knows, and none of the camera's; leave it out."
        )
    said = ", ".join(PHRASES[word] for word in camera)
    head = caption.rstrip().rstrip(".")
    return f"{head}. {said.capitalize()}." if head else f"{said.capitalize()}.", [f"the prompt also says: {said}"]
