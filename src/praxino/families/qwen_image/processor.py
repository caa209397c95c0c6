"""What shows pictures to Qwen2.5-VL: the checkpoint's processor without its reader of clips, which needs torchvision.

Knows nothing of pipelines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Qwen2VLProcessor
from transformers.processing_utils import ProcessorMixin


class PictureProcessor(Qwen2VLProcessor):
    """Words and pictures to tokens and patches. Where there is no torchvision, pictures are resized by PIL."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        """As Qwen2VLProcessor, for pictures alone."""
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def read(folder: Path) -> dict[str, Any]:
    """The processor of a checkpoint, by the name that pipelines know it by; {} where it has none."""
    if not (folder / "processor").is_dir():
        return {}
    return {"processor": PictureProcessor.from_pretrained(folder / "processor", local_files_only=True)}


def place_pictures(reader: Any) -> None:
    """Have Qwen2.5-VL place pictures in rows and columns (its M-RoPE), as it was trained to.

    transformers 5 does so only when told which tokens are a picture's, and the pipelines of diffusers 0.42 do not tell.
    """

    def tell(network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if kwargs.get("image_grid_thw") is not None:
            is_picture = kwargs["input_ids"] == network.config.image_token_id
            kwargs.setdefault("mm_token_type_ids", is_picture.int())
        return args, kwargs

    reader.register_forward_pre_hook(tell, with_kwargs=True)
