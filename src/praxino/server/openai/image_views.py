"""What the images routes answer, and the events that they stream. Decides nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from praxino.server.openai.image_order import Format

Background = Literal["opaque", "transparent"]


class TokenDetails(BaseModel):
    """Parts of a count."""

    image_tokens: int = 0
    text_tokens: int = 0


class UsageView(BaseModel):
    """Tokens that are charged for: none, ever. Clients expect the fields."""

    input_tokens: int = 0
    input_tokens_details: TokenDetails = TokenDetails()
    output_tokens: int = 0
    output_tokens_details: TokenDetails = TokenDetails()
    total_tokens: int = 0


class PictureView(BaseModel):
    """One picture: its bytes in base64, or a link that holds for a while."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    """What the model reads of the prompt, where that is not all of it."""


class ImagesView(BaseModel):
    """The answer to a request that is not streamed."""

    created: int
    background: Background
    data: list[PictureView]
    output_format: Format
    size: str
    usage: UsageView = UsageView()


class PartialView(BaseModel):
    """An event: what a picture will look like."""

    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    b64_json: str
    background: Background
    created_at: int
    output_format: Format
    partial_image_index: int
    quality: Literal["auto"] = "auto"
    size: str


class CompletedView(BaseModel):
    """An event: a picture is done."""

    type: Literal["image_generation.completed", "image_edit.completed"]
    b64_json: str
    background: Background
    created_at: int
    output_format: Format
    quality: Literal["auto"] = "auto"
    size: str
    usage: UsageView = UsageView()
