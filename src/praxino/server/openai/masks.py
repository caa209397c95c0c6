"""OpenAI's masks, which are transparent where a picture is to be drawn anew, as Praxino's, which are white there."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from praxino.media.picture import open_picture
from praxino.server.auth import Caller
from praxino.server.inputs import Upload
from praxino.server.openai.errors import Refusal
from praxino.server.services import Services


def take_mask(services: Services, caller: Caller, mask: Upload, image: Upload) -> str:
    """The id of an upload that holds a mask as Praxino reads it. Blocking.

    Raises:
        Refusal: it has another size than the picture, or no transparency at all.
    """
    if (mask.width, mask.height) != (image.width, image.height):
        raise Refusal(
            "mask",
            f"The mask has {mask.width}x{mask.height} pixels and the image {image.width}x{image.height}; "
            "they must be equal.",
        )
    with open_picture(services.inputs.path(mask)) as picture:
        white = drawn_anew(picture)
    if white is None:
        raise Refusal("mask", "The mask has no transparency; make it transparent where the image is to be edited.")
    return services.inputs.receive(caller.owner, io.BytesIO(white), "mask").id


def drawn_anew(picture: Image.Image) -> bytes | None:
    """A PNG, white where a picture is fully transparent and black elsewhere; None of one that cannot be."""
    if not picture.has_transparency_data:
        return None
    alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
    file = io.BytesIO()
    Image.fromarray(np.where(alpha == 0, 255, 0).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
