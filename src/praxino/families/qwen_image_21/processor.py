"""What shows pictures to Qwen3-VL: the checkpoint's processor without its reader of clips, which needs torchvision.

Knows nothing of pipelines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Qwen3VLProcessor
from transformers.processing_utils import ProcessorMixin


class PictureProcessor(Qwen3VLProcessor):
    """Words and pictures to tokens and patches. Where there is no torchvision, pictures are resized by PIL."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        """As Qwen3VLProcessor, for pictures alone."""
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def read(folder: Path) -> dict[str, Any]:
    """The processor of a checkpoint, by the name that pipelines know it by."""
    return {"processor": PictureProcessor.from_pretrained(folder / "processor", local_files_only=True)}
