"""What a run needs, read off the headers of the checkpoint's files: nothing is loaded. Imports no torch.

Of a published checkpoint that is not on this machine, the same is known where its networks were counted.

The networks are counted to the last weight. What they compute with is an estimate: `working`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from praxino.accel.plan import Need
from praxino.accel.working import decoding_bytes, denoising_bytes
from praxino.families import PARTS, Network, Shape, Variant, _header
from praxino.weights.completeness import read_json
from praxino.weights.download import BYTES
from praxino.weights.listing import File, files_below, state
from praxino.weights.selection import MODEL_INDEX, WEIGHTS, choose

Stage = Literal["encode", "denoise", "vae"]
STAGES: tuple[Stage, ...] = ("encode", "denoise", "vae")
Shapes = dict[str, tuple[int, ...]]

VAE_BYTES = 4
"""Most families keep the VAE in float32 where half precision is too narrow for it."""
_VAE_FOLDER = re.compile(r"(audio_)?vae|vqvae|movq")
_ENCODER_FOLDER = re.compile(r"(text|image)_encoder|safety_checker|mllm")
_VAE_KEY = re.compile(r"(vae|first_stage_model)\.")
_ENCODER_KEY = re.compile(r"(conditioner|cond_stage_model|text_encoders?(_\d)?)\.")
_SHARD = re.compile(r"-\d{5}(-of-\d{5}\.)")
_LAST_OF_DECODER = re.compile(r"decoder\.(conv_out|proj_out)(\.conv)?\.weight$")
_FIRST_OF_UNET = re.compile(r"(:|\.)(conv_in|input_blocks\.0\.0)\.weight$")
_TIME_OF_UNET = re.compile(r"(:|\.)(time_embedding\.linear_1|time_embed\.0)\.weight$")


@dataclass(frozen=True)
class Weighed:
    """The weights of a checkpoint."""

    parameters: dict[Stage, int]
    largest: int
    """Parameters of the largest tensor outside the VAE."""
    matrices: int
    """Parameters of the denoiser that are matrices and convolutions: what can be stored in 8 bits."""
    width: int
    """Of the denoiser's hidden states."""
    is_unet: bool
    decoder_channels: int
    """Before the last layer of the VAE's decoder."""
    decoder_patch: int
    """A place of that layer becomes patch x patch pixels."""


def need_of(
    path: Path | None, variant: Variant, shape: Shape, dtype: str, beside: tuple[tuple[Stage, Path], ...] = ()
) -> Need | None:
    """What a run needs; None for a checkpoint that is not on this machine and whose networks were not counted.

    Args:
        path: the checkpoint; None when it is not on this machine.
        variant: what it is.
        shape: of what is drawn.
        dtype: float32, bfloat16 or float16.
        beside: what else takes part: LoRAs and companions, by the stage that they work in.
    """
    size = BYTES[dtype]
    parts = tuple(Path(part) for part in variant.options.get(PARTS, {}).values())
    weighed = weigh(path, parts) if path is not None else published(variant.networks)
    if weighed is None:
        return None
    extra = Counter[Stage]()
    for stage, other in beside:
        extra[stage] += sum(weigh(other).parameters.values())
    encode, denoise, vae = (weighed.parameters[stage] + extra[stage] for stage in ("encode", "denoise", "vae"))
    wide = 4 if dtype == "float16" else size
    denoiser, vae_kind = _kinds(path, variant)
    decoder = vae_kind, weighed.decoder_channels, weighed.decoder_patch
    return Need(
        encode=encode * wide,
        denoise=denoise * size,
        vae=vae * VAE_BYTES,
        denoise_float8=denoise * size - weighed.matrices * (size - 1),
        largest=weighed.largest * wide,
        denoising=denoising_bytes(denoiser, weighed.width, weighed.is_unet, variant, shape, size),
        decoding=decoding_bytes(*decoder, shape, size),
        decoding_tile=decoding_bytes(*decoder, shape, size, tiled=True),
    )


def weigh(path: Path, parts: tuple[Path, ...] = ()) -> Weighed:
    """The weights of a checkpoint's folder or single file, or of any other file of weights.

    `parts` are the folders that the checkpoint has its VAE and its encoders from, where it has them not itself.
    """
    files = (*_files(path), *(found for part in parts for found in _beside_denoiser(part)))
    return _weighed(tuple((stage, file, file.stat().st_mtime_ns) for stage, file in files))


def published(networks: Mapping[str, Network]) -> Weighed | None:
    """The weights of a published checkpoint, by its components' folders; None when there are none."""
    if not networks:
        return None
    counted = dict.fromkeys(STAGES, 0)
    for folder, network in networks.items():
        counted[stage_of_folder(folder)] += network.parameters
    denoisers = [network for folder, network in networks.items() if stage_of_folder(folder) == "denoise"]
    vae = networks.get("vae", Network(0))
    return Weighed(
        parameters=counted,
        largest=max(network.largest for network in networks.values()),
        matrices=sum(network.matrices for network in denoisers),
        width=max((network.width for network in denoisers), default=0),
        is_unet=any(network.is_unet for network in denoisers),
        decoder_channels=vae.decoder_channels,
        decoder_patch=vae.decoder_patch,
    )


@lru_cache(maxsize=64)
def _weighed(files: tuple[tuple[Stage | None, Path, int], ...]) -> Weighed:
    found: dict[Stage, Shapes] = {stage: {} for stage in STAGES}
    for stage, file, _ in files:
        header = _header.read(file)
        for name, shape in (header.shapes if header else {}).items():
            found[stage or _stage_of(name)][f"{file}:{name}"] = shape
    return of_shapes(found)


def of_shapes(found: Mapping[Stage, Shapes]) -> Weighed:
    """The weights of tensors of these shapes, named FILE:KEY, by stage."""
    counted: dict[Stage, int] = {stage: sum(map(math.prod, shapes.values())) for stage, shapes in found.items()}
    channels, patch = _decoder(found["vae"])
    outside = [math.prod(shape) for stage in ("encode", "denoise") for shape in found[stage].values()]
    return Weighed(
        parameters=counted,
        largest=max(outside, default=0),
        matrices=sum(math.prod(shape) for shape in found["denoise"].values() if len(shape) > 1),
        width=_width(found["denoise"]),
        is_unet=_is_unet(found["denoise"]),
        decoder_channels=channels,
        decoder_patch=patch,
    )


def _width(shapes: Shapes) -> int:
    """Attention's matrices are square: the side of those that weigh most; a UNet's is that of its first layer."""
    if _is_unet(shapes):
        return next(shape[0] for name, shape in shapes.items() if _FIRST_OF_UNET.search(name))
    sides = Counter[int]()
    for shape in shapes.values():
        if len(shape) == 2 and shape[0] == shape[1]:
            sides[shape[0]] += shape[0] ** 2
    return sides.most_common(1)[0][0] if sides else 0


def _is_unet(shapes: Shapes) -> bool:
    """A vocoder, and some encoders of motion, begin with a layer of the same name as a UNet's, but are told no time."""
    return all(any(mark.search(name) for name in shapes) for mark in (_FIRST_OF_UNET, _TIME_OF_UNET))


def _decoder(shapes: Shapes) -> tuple[int, int]:
    """Channels before the decoder's last layer, and the patch that it makes; 128 and 1 where it has another name."""
    last = next((shape for name, shape in shapes.items() if _LAST_OF_DECODER.search(name) and len(shape) > 1), None)
    return (last[1], max(1, math.isqrt(last[0] // 3))) if last else (128, 1)


def _stage_of(key: str) -> Stage:
    if _VAE_KEY.match(key):
        return "vae"
    return "encode" if _ENCODER_KEY.match(key) else "denoise"


def stage_of_folder(name: str) -> Stage:
    """The stage that a component's folder takes part in."""
    if _VAE_FOLDER.match(name):
        return "vae"
    return "encode" if _ENCODER_FOLDER.match(name) else "denoise"


def _files(path: Path) -> Iterator[tuple[Stage | None, Path]]:
    """The files of weights that are read, each with its stage; None where its keys tell."""
    if path.is_dir() and (path / MODEL_INDEX).is_file():
        for name in choose(file.name for file in files_below(path)).files:
            if name.endswith(WEIGHTS):
                yield stage_of_folder(name), path / name
        return
    home = path if path.is_dir() else path.parent
    main = [path] if path.is_file() else _largest(home)
    if main:
        yield from ((None, file) for file in main)
        home /= read_json(home / "praxino.json").get("components", "")
    yield from _beside_denoiser(home)
    for file in home.glob("ae.safetensors"):
        if file not in main:
            yield "vae", file


def _beside_denoiser(home: Path) -> Iterator[tuple[Stage, Path]]:
    """What lies in the folders of a VAE and of encoders."""
    for folder in sorted(home.iterdir()):
        if folder.is_dir() and (_VAE_FOLDER.match(folder.name) or _ENCODER_FOLDER.match(folder.name)):
            for file in sorted(folder.glob(f"*{WEIGHTS}")):
                yield stage_of_folder(folder.name), file


def _largest(folder: Path) -> list[Path]:
    """The largest file of a folder, with the other shards of the same network."""
    found = sorted(folder.glob(f"*{WEIGHTS}"))
    largest = max(found, key=lambda file: file.stat().st_size, default=None)
    if largest is None or not (shard := _SHARD.search(largest.name)):
        return [largest] if largest else []
    return [file for file in found if _SHARD.sub(shard[1], file.name) == _SHARD.sub(shard[1], largest.name)]


def _kinds(path: Path | None, variant: Variant) -> tuple[str, str]:
    """The classes of the denoiser and the VAE: as the folder's configs have them, else as the variant does."""
    denoisers = [network for folder, network in variant.networks.items() if stage_of_folder(folder) == "denoise"]
    largest = max(denoisers, key=lambda network: network.parameters, default=Network(0))
    told = largest.kind, variant.networks.get("vae", Network(0)).kind
    if path is None or not path.is_dir():
        return told
    folder = next((name for name in ("transformer", "unet") if (path / name).is_dir()), "")
    return _class(path / folder) or told[0], _class(path / "vae") or told[1]


def _class(folder: Path) -> str:
    return _class_in(state(folder / "config.json"))


@lru_cache(maxsize=64)
def _class_in(config: tuple[File, ...]) -> str:
    """Read once a process, as long as the file stays the same; none when there is no file."""
    return str(read_json(Path(config[0].name)).get("_class_name", "")) if config else ""
