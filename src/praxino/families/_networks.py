"""What text encoders, VAEs and UNets weigh that several families share (see `praxino.families.Network`). Data alone.

Counted from the configs that lie beside the published weights; tests/integration/test_networks.py counts them again.
"""

from praxino.families import Network

CLIP_L = Network(123_060_480, largest=37_945_344)
CLIP_L_PROJECTED = Network(123_650_304, largest=37_945_344)
CLIP_G = Network(694_659_840, largest=63_242_240)
LLAMA_3_8B = Network(7_505_186_816, largest=525_598_720)
OPEN_CLIP_H = Network(340_387_840, largest=50_593_792)
CLIP_VISION_L_PROJECTED = Network(303_966_208, largest=4_194_304)
CLIP_VISION_H = Network(630_766_080, largest=6_553_600)
CLIP_VISION_H_PROJECTED = Network(632_076_800, largest=6_553_600)
SAFETY_CHECKER = Network(303_981_588, largest=4_194_304)
SIGLIP = Network(428_225_600, largest=4_958_208)
T5_XXL = Network(4_762_310_656, largest=131_596_288)
UMT5_XXL = Network(5_680_910_336, largest=1_050_148_864)
QWEN_3_4B = Network(4_022_468_096, largest=388_956_160)

VAE_4 = Network(83_653_863, kind="AutoencoderKL")
"""By its latents' channels: this of Stable Diffusion 1, 2 and XL, the next of Stable Diffusion 3 and FLUX."""
VAE_16 = Network(83_819_683, kind="AutoencoderKL")
HUNYUAN_VAE = Network(246_478_803, kind="AutoencoderKLHunyuanVideo")
WAN_VAE = Network(126_892_531, kind="AutoencoderKLWan", decoder_channels=96)

UNET_1 = Network(
    859_520_964, largest=29_491_200, matrices=859_077_120, width=320, is_unet=True, kind="UNet2DConditionModel"
)
UNET_XL = Network(
    2_567_463_684, largest=29_491_200, matrices=2_565_880_320, width=320, is_unet=True, kind="UNet2DConditionModel"
)
"""Of Stable Diffusion 1 and of SDXL, with four channels."""
