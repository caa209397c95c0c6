"""One of two processes of a test: diffusers' denoisers, tiny, answer with their tokens dealt out and whole.

Prints the largest difference, in parts of the largest value, by name. RANK, WORLD_SIZE and the rendezvous are set.
"""

import json

import torch
from diffusers import (
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    HunyuanVideoTransformer3DModel,
    LTXVideoTransformer3DModel,
    QwenImageTransformer2DModel,
    WanTransformer3DModel,
)

from praxino.accel.ranks import Ranks
from praxino.accel.split import Split

torch.set_num_threads(1)


def times(count, held):
    """A time for each token; those that are held stand at 0."""
    found = torch.full((1, count), 500.0)
    found[:, :held] = 0
    return found


def wan():
    """27 tokens and 3 heads: neither is shared evenly."""
    network = WanTransformer3DModel(
        num_attention_heads=3, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=16, freq_dim=8,
        ffn_dim=32, num_layers=2, rope_max_seq_len=32,
    )  # fmt: skip
    given = {"hidden_states": torch.randn(1, 4, 3, 6, 6), "encoder_hidden_states": torch.randn(1, 7, 16)}
    yield "wan", network, {**given, "timestep": torch.tensor([500])}
    yield "wan, a time a token", network, {**given, "timestep": times(27, 9)}


def ltx():
    """A batch of two texts, one of them padded."""
    network = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        num_layers=2, caption_channels=32,
    )  # fmt: skip
    mask = torch.ones(2, 10)
    mask[1, 6:] = 0
    given = {"hidden_states": torch.randn(2, 25, 8), "encoder_hidden_states": torch.randn(2, 10, 32)}
    given |= {"encoder_attention_mask": mask, "video_coords": torch.rand(2, 3, 25)}
    yield "ltx", network, {**given, "timestep": torch.full((2, 1), 500.0)}
    yield "ltx, a time a token", network, {**given, "timestep": times(25, 5).expand(2, -1)}


def pictures():
    """Text and picture side by side."""
    one = {"in_channels": 4, "num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2}
    flux = FluxTransformer2DModel(
        **one, num_single_layers=1, joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8)
    )
    flux2 = Flux2Transformer2DModel(
        **one, num_single_layers=1, joint_attention_dim=32, timestep_guidance_channels=8, axes_dims_rope=(4, 4, 4, 4)
    )
    qwen = QwenImageTransformer2DModel(**one, out_channels=4, joint_attention_dim=32, axes_dims_rope=(8, 4, 4))
    given = {"hidden_states": torch.randn(1, 15, 4), "encoder_hidden_states": torch.randn(1, 7, 32)}
    given["timestep"] = torch.tensor([0.5])
    places = {"img_ids": torch.rand(15, 3), "txt_ids": torch.zeros(7, 3)}
    yield "flux", flux, {**given, **places, "pooled_projections": torch.randn(1, 32)}
    places = {"img_ids": torch.rand(1, 15, 4), "txt_ids": torch.zeros(1, 7, 4)}
    yield "flux2", flux2, {**given, **places, "guidance": torch.ones(1)}
    yield "qwen", qwen, {**given, "img_shapes": [[(1, 3, 5)]]}
    mask = torch.ones(1, 7, dtype=torch.bool)
    mask[:, 5:] = False
    yield "qwen, padded", qwen, {**given, "img_shapes": [[(1, 3, 5)]], "encoder_hidden_states_mask": mask}


def hunyuan():
    """27 tokens of a clip and 9 of a text, of which 5 are words; a held picture's stand at time 0."""
    size = {
        "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2,
        "num_single_layers": 2, "num_refiner_layers": 1, "patch_size": 1, "patch_size_t": 1, "text_embed_dim": 16,
        "pooled_projection_dim": 8, "rope_axes_dim": (4, 4, 8),
    }  # fmt: skip
    mask = torch.ones(1, 9)
    mask[:, 5:] = 0
    given = {"hidden_states": torch.randn(1, 4, 3, 3, 3), "encoder_hidden_states": torch.randn(1, 9, 16)}
    given |= {"encoder_attention_mask": mask, "pooled_projections": torch.randn(1, 8)}
    given |= {"timestep": torch.tensor([500]), "guidance": torch.tensor([6000.0])}
    yield "hunyuan", HunyuanVideoTransformer3DModel(**size, guidance_embeds=True), given
    held = HunyuanVideoTransformer3DModel(**size, guidance_embeds=True, image_condition_type="token_replace")
    yield "hunyuan, a held picture", held, given


@torch.no_grad()
def answers(network, given):
    return network(**given, return_dict=False)[0]


torch.manual_seed(0)
ranks = Ranks("cpu")
told = {}
for name, network, given in (*wan(), *ltx(), *pictures(), *hunyuan()):
    network.eval()
    whole = answers(network, given)
    with ranks.splitting([network], Split(1, ranks.count)):
        dealt = answers(network, given)
    after = answers(network, given)
    told[name] = ((dealt - whole).abs().max() / whole.abs().max()).item() if torch.equal(after, whole) else 1.0
ranks.ended()
print(json.dumps(told))
