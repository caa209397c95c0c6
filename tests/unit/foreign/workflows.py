"""Workflows of ComfyUI's standard nodes, in the form that its API takes and that its pictures hold."""


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def default(**changes):
    """ComfyUI's own first workflow."""
    return {
        "3": node(
            "KSampler",
            **dict(seed=156680208700286, steps=20, cfg=8, sampler_name="euler", scheduler="normal", denoise=1),
            **dict(model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0]),
        ),
        "4": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "6": node("CLIPTextEncode", text="a galaxy in a bottle", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="text, watermark", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
        **changes,
    }


def flux():
    """FLUX.1-dev with its distilled guidance, two LoRAs and the custom sampler."""
    return {
        "6": node("CLIPTextEncode", text="a lighthouse", clip=["11", 0]),
        "8": node("VAEDecode", samples=["13", 0], vae=["10", 0]),
        "9": node("SaveImage", filename_prefix="flux", images=["8", 0]),
        "10": node("VAELoader", vae_name="ae.safetensors"),
        "11": node("DualCLIPLoader", clip_name1="t5xxl_fp16.safetensors", clip_name2="clip_l.safetensors", type="flux"),
        "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "13": node(
            "SamplerCustomAdvanced",
            **dict(noise=["25", 0], guider=["22", 0], sampler=["16", 0], sigmas=["17", 0], latent_image=["27", 0]),
        ),
        "16": node("KSamplerSelect", sampler_name="euler"),
        "17": node("BasicScheduler", scheduler="simple", steps=20, denoise=1.0, model=["31", 0]),
        "22": node("BasicGuider", model=["31", 0], conditioning=["26", 0]),
        "25": node("RandomNoise", noise_seed=219670278747233),
        "26": node("FluxGuidance", guidance=3.5, conditioning=["6", 0]),
        "27": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=2),
        "30": node("LoraLoaderModelOnly", lora_name="style\\ink.safetensors", strength_model=0.8, model=["12", 0]),
        "31": node("LoraLoaderModelOnly", lora_name="detail.safetensors", strength_model=1.0, model=["30", 0]),
    }


def editor():
    """The first workflow as the editor saves it, with a bypassed LoRA, a muted node, a note and a reroute."""

    def box(id, kind, widgets, inputs=(), outputs=(), mode=0):
        return {
            **{"id": id, "type": kind, "mode": mode, "widgets_values": widgets},
            "inputs": [{"name": name, "type": type_, "link": link} for name, type_, link in inputs],
            "outputs": [{"name": type_, "type": type_} for type_ in outputs],
        }

    model = ("MODEL", "CLIP", "VAE")
    conditioned = (("model", "MODEL", 1), ("positive", "CONDITIONING", 4), ("negative", "CONDITIONING", 6))
    return {
        "version": 0.4,
        "nodes": [
            box(3, "KSampler", [42, "randomize", 25, 7.5, "dpmpp_2m", "karras", 1],
                (*conditioned, ("latent_image", "LATENT", 2)), ("LATENT",)),
            box(4, "CheckpointLoaderSimple", ["sd_xl_base_1.0.safetensors"], (), model),
            box(5, "EmptyLatentImage", [1024, 576, 1], (), ("LATENT",)),
            box(6, "CLIPTextEncode", ["a fox"], (("clip", "CLIP", 3),), ("CONDITIONING",)),
            box(7, "CLIPTextEncode", ["blurry"], (("clip", "CLIP", 5),), ("CONDITIONING",)),
            box(8, "VAEDecode", [], (("samples", "LATENT", 7), ("vae", "VAE", 8)), ("IMAGE",)),
            box(9, "SaveImage", ["ComfyUI"], (("images", "IMAGE", 9),)),
            box(10, "LoraLoader", ["off.safetensors", 1, 1], (("model", "MODEL", 10), ("clip", "CLIP", 11)),
                ("MODEL", "CLIP"), mode=4),
            box(11, "Reroute", [], (("", "*", 12),), ("LATENT",)),
            box(12, "Note", ["hello"]),
            box(13, "UpscaleModelLoader", ["4x.pth"], (), ("UPSCALE_MODEL",), mode=2),
        ],
        "links": [
            [1, 10, 0, 3, 0, "MODEL"], [2, 11, 0, 3, 3, "LATENT"], [3, 10, 1, 6, 0, "CLIP"],
            [4, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"],
            [7, 3, 0, 8, 0, "LATENT"], [8, 4, 2, 8, 1, "VAE"], [9, 8, 0, 9, 0, "IMAGE"],
            [10, 4, 0, 10, 0, "MODEL"], [11, 4, 1, 10, 1, "CLIP"], [12, 5, 0, 11, 0, "LATENT"],
        ],
    }  # fmt: skip
