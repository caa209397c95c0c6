"""What a ComfyUI workflow draws: from the picture that it saves back to the sampler, and from there to all it was fed.

Knows the standard nodes (ComfyUI nodes.py, comfy_extras/). Whatever else a workflow has is listed, node by node.
"""

from __future__ import annotations

from typing import Any

from praxino.foreign import comfy_outputs, comfy_pictures
from praxino.foreign.comfy_graph import Link, Node, read_graph
from praxino.foreign.comfy_walk import Walk
from praxino.foreign.samplers import put_sampler, put_spacing
from praxino.foreign.settings import Settings, scaled_name

PROGRAM = "ComfyUI"
SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
TEXTS = {
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("t5xxl", "clip_l"),
    "CLIPTextEncodeSDXL": ("text_g", "text_l"),
    "CLIPTextEncodeSD3": ("t5xxl", "clip_g", "clip_l"),
}
"""Nodes that read text, and their inputs that hold it, the one that says most first."""
_MODELS = {
    "CheckpointLoaderSimple": "ckpt_name",
    "UNETLoader": "unet_name",
    "ImageOnlyCheckpointLoader": "ckpt_name",
    "UnetLoaderGGUF": "unet_name",
}
_LORAS = ("LoraLoader", "LoraLoaderModelOnly")
_SILENT = ("Reroute", "Note", "MarkdownNote", "PrimitiveNode", "VAEDecode", "VAEDecodeTiled")
"""Nodes that say nothing which a Request could hold."""
_WHY = {
    "CLIPSetLastLayer": "text encoders are read to their last layer here",
    "VAELoader": "the model's own is used",
    "CLIPLoader": "the model's own text encoder is used",
    "DualCLIPLoader": "the model's own text encoders are used",
    "TripleCLIPLoader": "the model's own text encoders are used",
    "ConditioningCombine": "one text is read; the first of them is taken",
    "ConditioningConcat": "one text is read; the first of them is taken",
    "ConditioningAverage": "one text is read; the first of them is taken",
    "ControlNetLoader": "the model's own ControlNet of that kind is used, unless --controlnet names another",
    **dict.fromkeys(SAMPLERS, "only the first pass is taken over"),
}


def read_workflow(data: Any) -> Settings:
    """Read a workflow's JSON in either form.

    Raises:
        UserError: it is no workflow, has no sampler, or its links make no sense.
    """
    graph = read_graph(data)
    walk = Walk(graph, PROGRAM)
    output = comfy_outputs.find(graph, SAMPLERS)
    sampler = _first_pass(walk, output)
    if output is not None:
        comfy_outputs.read(walk, output)
    _read_sampler(walk, sampler)
    _list_the_rest(walk, sampler if output is None else output)
    return walk.draft.finished()


def _first_pass(walk: Walk, output: Node | None) -> Node:
    """The sampler that nothing sampled is fed to, on the way to the output."""
    among = walk.graph.upstream(output) if output is not None else list(walk.graph.nodes.values())
    samplers = {node.id for node in among if node.kind in SAMPLERS}
    first = next((id for id in walk.graph.order if id in samplers), None)
    if first is None:
        raise walk.error(f"the workflow has none of the samplers that are known here: {', '.join(SAMPLERS)}")
    return walk.graph.nodes[first]


def _read_sampler(walk: Walk, sampler: Node) -> None:
    walk.used(sampler)
    if sampler.kind == "SamplerCustomAdvanced":
        _read_custom(walk, sampler)
        guider = walk.source(sampler, "guider")
        if guider is not None:
            walk.used(guider, "BasicGuider", "CFGGuider")
            _read_guidance(walk, guider)
    else:
        if sampler.kind == "SamplerCustom":
            _read_custom(walk, sampler)
        else:
            _read_plain(walk, sampler)
        _read_guidance(walk, sampler)
    comfy_pictures.read_latent(walk, sampler)


def _read_plain(walk: Walk, sampler: Node) -> None:
    seed = "noise_seed" if sampler.kind == "KSamplerAdvanced" else "seed"
    walk.put(sampler, seed, "seed", int)
    walk.put(sampler, "steps", "steps", int)
    put_sampler(walk.draft, walk.text(sampler, "sampler_name"), walk.text(sampler, "scheduler"))
    start, end = (walk.number(sampler, name, int) for name in ("start_at_step", "end_at_step"))
    steps = walk.number(sampler, "steps", int)
    if start or (end is not None and steps is not None and end < steps):
        walk.draft.leave(f"steps {start or 0} to {end} of {sampler}", "all steps are done here")
    if walk.text(sampler, "add_noise") == "disable":
        walk.draft.leave(f"add_noise of {sampler}", "noise is always added here")


def _read_custom(walk: Walk, sampler: Node) -> None:
    noise = walk.source(sampler, "noise") if sampler.kind == "SamplerCustomAdvanced" else sampler
    if noise is not None:
        walk.used(noise, "RandomNoise", sampler.kind)
        walk.put(noise, "noise_seed", "seed", int)
    chosen = walk.source(sampler, "sampler")
    if chosen is not None and chosen.kind == "KSamplerSelect":
        walk.used(chosen)
        put_sampler(walk.draft, walk.text(chosen, "sampler_name"), "")
    sigmas = walk.source(sampler, "sigmas")
    if sigmas is None:
        return
    if sigmas.kind == "ManualSigmas":
        walk.used(sigmas)
        walk.draft.leave(
            f"sigmas {walk.text(sigmas, 'sigmas')}", "give them with --sigmas, if the model counts them alike"
        )
    elif sigmas.kind in ("BasicScheduler", "KarrasScheduler", "LTXVScheduler"):
        walk.used(sigmas)
        walk.put(sigmas, "steps", "steps", int)
        put_spacing(walk.draft, "karras" if sigmas.kind == "KarrasScheduler" else walk.text(sigmas, "scheduler"))


def _read_guidance(walk: Walk, node: Node) -> None:
    """The texts, the guidance and the model that a sampler or guider is fed."""
    scale = walk.number(node, "cfg", float)
    positive = "positive" if "positive" in node.inputs else "conditioning"
    distilled = _read_text(walk, node, positive, "prompt")
    _read_text(walk, node, "negative", "negative_prompt")
    if distilled is None and scale is not None:
        walk.draft.put("guidance", scale, f"cfg of {node}")
    elif distilled is not None:
        walk.draft.put("guidance", distilled, "guidance")
        if scale is not None and scale != 1:
            walk.draft.put("true_guidance", scale, f"cfg of {node}")
    _read_model(walk, node)


def _read_text(walk: Walk, node: Node, name: str, field: str) -> float | None:
    """Follow a conditioning to its text; the distilled guidance scale on the way, if there is one."""
    guidance, link = None, node.inputs.get(name)
    while isinstance(link, Link):
        here = walk.graph.nodes[link.node]
        if here.kind in ("FluxGuidance", "CLIPTextEncodeFlux"):
            walk.used(here)
            guidance = walk.number(here, "guidance", float) if guidance is None else guidance
        comfy_pictures.read_conditioning(walk, here)
        if here.kind in TEXTS:
            _put_texts(walk, here, field)
            return guidance
        if here.kind == "ConditioningZeroOut":
            walk.used(here)
            return guidance
        link = _before(here, link.output)
    if isinstance(node.inputs.get(name), Link):
        walk.draft.leave(f"{name} of {node}", "no text that is known here leads to it")
    return guidance


def _before(node: Node, output: int) -> Any:
    """The conditioning that a node changes; of one with two, the one of the same output."""
    if "positive" in node.inputs and "negative" in node.inputs:
        return node.inputs["negative" if output == 1 else "positive"]
    names = ("conditioning", "conditioning_to", "conditioning_1", "positive", "")
    return next((node.inputs[name] for name in names if name in node.inputs), None)


def _put_texts(walk: Walk, node: Node, field: str) -> None:
    walk.used(node)
    texts = list(dict.fromkeys(filter(None, (walk.text(node, name).strip() for name in TEXTS[node.kind]))))
    if texts:
        walk.draft.put(field, texts[0], f"text of {node}")
    for text in texts[1:]:
        walk.draft.leave(f"second text of {node}: {text}", "one text is read here by all text encoders")


def _read_model(walk: Walk, node: Node) -> None:
    before = walk.graph.upstream(node, ("model",))
    loras = []
    for lora in reversed([node for node in before if node.kind in _LORAS]):
        walk.used(lora)
        scale = walk.number(lora, "strength_model", float)
        scale = 1.0 if scale is None else scale
        clip = walk.number(lora, "strength_clip", float)
        if clip is not None and clip != scale:
            walk.draft.leave(f"strength_clip {clip:g} of {lora}", "a LoRA has one scale here")
        if scale:
            loras.append(scaled_name(walk.file(lora, "lora_name"), scale))
    if loras:
        walk.draft.put("lora", tuple(loras), "LoRAs")
    for loader in (node for node in before if node.kind in _MODELS):
        walk.used(loader)
        walk.draft.checkpoint = walk.file(loader, _MODELS[loader.kind])
        return


def _list_the_rest(walk: Walk, output: Node) -> None:
    """List every node that nothing was taken from."""
    feeding = {output.id, *(node.id for node in walk.graph.upstream(output))}
    for node in walk.rest():
        if node.kind in _SILENT:
            continue
        if node.id not in feeding:
            walk.draft.leave(str(node), "it does not feed the picture that is saved")
        else:
            walk.draft.leave(str(node), _WHY.get(node.kind, "there is nothing like it here"))
