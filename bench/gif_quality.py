"""Size and likeness of GIFs made in several ways, of clips drawn here: `python bench/gif_quality.py`.

Writes bench/results/gif_quality.json. Likeness is the PSNR of what Pillow reads back, after a light blur of both (the
eye averages dithering likewise). Seconds are of processor time.
"""

import io
import json
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from praxino.media.gif import STYLES, GifStyle, encode_gif, encode_gif_style
from praxino.media.timing import delays

FPS = 12
RESULTS = Path(__file__).parent / "results" / "gif_quality.json"


def sticker(num_frames=25, size=128, noise=0.0):
    rng = np.random.default_rng(1)
    frames = []
    for k in range(num_frames):
        image = Image.new("RGB", (4 * size, 4 * size), (72, 149, 239))
        draw = ImageDraw.Draw(image)
        x, y = 4 * size * (0.25 + 0.5 * k / num_frames), 4 * size * (0.7 - 0.4 * abs(np.sin(k / 4)))
        for i in range(90):
            shade = i / 90
            r = 90 - i
            draw.ellipse(
                (x - r - i / 3, y - r - i / 3, x + r - i / 3, y + r - i / 3),
                (int(170 + 85 * shade), int(30 + 150 * shade), int(40 + 60 * shade)),
            )
        frame = np.asarray(image.resize((size, size), Image.Resampling.BOX), np.float32)
        if noise:
            grain = Image.fromarray((128 + noise * 3 * rng.standard_normal((size, size, 3))).clip(0, 255).astype("u1"))
            frame = frame + np.asarray(grain.filter(ImageFilter.GaussianBlur(1)), np.float32) - 128
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return np.stack(frames)


def photo(num_frames=25, size=256):
    rng = np.random.default_rng(2)
    wide = np.zeros((size, size + 4 * num_frames, 3), np.float32)
    for octave in (4, 8, 16, 32, 64):
        small = rng.uniform(0, 255, (octave, octave, 3)).astype("u1")
        big = Image.fromarray(small).resize((wide.shape[1], size), Image.Resampling.BICUBIC)
        wide += np.asarray(big, np.float32) * 2 / octave
    wide = 255 * (wide - wide.min()) / (wide.max() - wide.min())
    clip = np.stack([wide[:, 3 * k : 3 * k + size] for k in range(num_frames)])
    return (clip + rng.normal(0, 3, clip.shape)).clip(0, 255).astype(np.uint8)


def with_pillow(frames):
    images = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    images[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[10 * delay for delay in delays(len(images), FPS, 100)],
        loop=0,
    )
    return file.getvalue()


def with_ffmpeg(frames, stats, dither):
    file = io.BytesIO()
    with av.open(file, "w", format="gif") as container:
        stream = container.add_stream("gif", rate=FPS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "pal8"
        graph = av.filter.Graph()
        source = graph.add_buffer(width=stream.width, height=stream.height, format="rgb24", time_base=Fraction(1, FPS))
        split = graph.add("split")
        generate = graph.add("palettegen", f"stats_mode={stats}")
        use = graph.add("paletteuse", f"dither={dither}:diff_mode=rectangle:new={int(stats == 'single')}")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(generate, 1, 0)
        generate.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        for k, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, FPS)
            graph.push(frame)
        graph.push(None)
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def ours(frames, dither, hold, finest, palette_a_frame):
    return encode_gif_style(frames, FPS, 0, GifStyle(255, dither, hold, finest, palette_a_frame), None)


def likeness(frames, data):
    errors, image, number = [], Image.open(io.BytesIO(data)), 0
    begins = starts(image)
    for k, frame in enumerate(frames):
        while number < image.n_frames - 1 and round(begins[number + 1] * FPS / 1000 - 0.01) <= k:
            number += 1
        image.seek(number)
        errors.append((blurred(Image.fromarray(frame)) - blurred(image.convert("RGB"))) ** 2)
    return 10 * np.log10(255**2 / max(1e-4, float(np.mean(errors))))


def starts(image):
    ends = [0]
    for k in range(image.n_frames):
        image.seek(k)
        ends.append(ends[-1] + image.info.get("duration", 0))
    return ends


def blurred(image):
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32)


def flat_noise(frames, data):
    """Colours in the last frame's top rows, which the sticker never enters: 1 is flat."""
    image = Image.open(io.BytesIO(data))
    image.seek(image.n_frames - 1)
    return len(np.unique(np.asarray(image.convert("RGB"))[:6].reshape(-1, 3), axis=0))


WAYS = {
    "pillow": with_pillow,
    "ffmpeg, one palette, none": lambda frames: with_ffmpeg(frames, "full", "none"),
    "ffmpeg, one palette, bayer": lambda frames: with_ffmpeg(frames, "full", "bayer:bayer_scale=3"),
    "ffmpeg, one palette, sierra2_4a": lambda frames: with_ffmpeg(frames, "full", "sierra2_4a"),
    "ffmpeg, a palette a frame, sierra2_4a": lambda frames: with_ffmpeg(frames, "single", "sierra2_4a"),
    "ours, one palette, none": lambda frames: ours(frames, "none", 0, 0, False),
    "ours, one palette, ordered": lambda frames: ours(frames, "ordered", 0, 0, False),
    "ours, one palette, ordered, finest 2": lambda frames: ours(frames, "ordered", 0, 2, False),
    "ours, one palette, ordered, hold 2": lambda frames: ours(frames, "ordered", 2, 0, False),
    "ours, a palette a frame, ordered": lambda frames: ours(frames, "ordered", 0, 0, True),
    **{
        f"--gif {name}": lambda frames, name=name: encode_gif(frames, FPS, 0, name, None) for name in STYLES
    },
}  # fmt: skip


def main():
    clips = {"sticker": sticker(), "sticker with grain": sticker(noise=1.5), "photo": photo()}
    results = {}
    for clip, frames in clips.items():
        results[clip] = {"shape": list(frames.shape)}
        for way, encode in WAYS.items():
            start = time.process_time()
            data = encode(frames)
            seconds = time.process_time() - start
            results[clip][way] = {
                "kB": round(len(data) / 1000, 1),
                "psnr_db": round(float(likeness(frames, data)), 1),
                "flat_colours": flat_noise(frames, data),
                "seconds": round(seconds, 2),
            }
            print(f"{clip:20} {way:40} {results[clip][way]}", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
