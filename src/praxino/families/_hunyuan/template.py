"""How a prompt is put to the language model, and what of its answer is kept. No torch.

Source: Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d and HunyuanVideo at fa14b00, hyvideo/constants.py.
"""

from __future__ import annotations

from dataclasses import dataclass

_ASPECTS = (
    "1. The main content and theme of the video."
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects."
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects."
    "4. background environment, light, style and atmosphere."
    "5. camera angles, movements, and transitions used in the video:<|eot_id|>"
)
_SYSTEM = "<|start_header_id|>system<|end_header_id|>\n\n"
_USER = "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"


@dataclass(frozen=True)
class Template:
    """A template with a place for the prompt."""

    text: str
    crop_start: int
    """Tokens before the prompt; what the model makes of them is left away."""

    def around(self, prompt: str) -> str:
        """The prompt in its place."""
        return self.text.replace("{}", prompt)


VIDEO = Template(
    f"{_SYSTEM}Describe the video by detailing the following aspects: {_ASPECTS}{_USER}",
    crop_start=95,
)
PICTURE = Template(
    f"{_SYSTEM}Describe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships "
    f"of the objects and background:<|eot_id|>{_USER}",
    crop_start=36,
)
"""For clips of one frame."""
VIDEO_FROM_PICTURE = Template(
    f"{_SYSTEM}<image>\nDescribe the video by detailing the following aspects according to the reference image: "
    f"{_ASPECTS}\n\n{_USER}<|start_header_id|>assistant<|end_header_id|>\n\n",
    crop_start=103,
)

IMAGE_TOKEN = "<image>"
END_OF_HEADER = "<|end_header_id|>"
HEADERS = 3
"""Of system, user and assistant; a prompt that is too long leaves no room for the last."""
IMAGE_START = 5
"""Where the picture's tokens begin."""
IMAGE_TOKENS = 576
"""As many as LLaVA makes of a picture."""
ASSISTANT_TOKENS = 4
"""Before the answer would begin: they are left away."""
EVERY_IMAGE_TOKEN = {"token-replace": 4, "latent-concat": 2}
"""Of the picture's tokens, every fourth or every second is kept."""
HIDDEN_STATE = -3
"""The language model's layer that is read: the last but two."""
