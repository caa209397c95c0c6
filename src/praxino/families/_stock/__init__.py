"""Families made from data over diffusers' own pipelines. Importable without torch.

To add a family, write a package `families/NAME/` (hyphens of the family's name become underscores) with three modules:

- `variants.py`, data without torch: `PUBLISHED`, a dict of `Variant` by name, and `variant_of(folder: Folder)`, which
  reads configs (`folder.config("transformer")`) and returns the published variant that they are of, or one made for
  the folder. `options["strength"]` is a dict from each task that changes a picture to its default strength;
  `options["companions"]` names the variant's own companions by role ("controlnet:canny", "ip-adapter", ...).
  `options["pipelines"]` is task -> diffusers class name, where a checkpoint's pipelines are not the family's;
  `options["schedulers"]` (names), `options["shows_references"]` and `options["one_reference"]` stand in place of the
  family's too. `Variant.upscale` is for what only draws larger what it is shown.
  `schedule="scheduler"` says that the scheduler spaces the sigmas.
- `miniature.py`: `write(folder)` saves the real pipeline class with tiny random weights, at most 3 MB, the same each
  time, and a `praxino.json` with the fields of `checkpoint.Card` (few steps, so that tests are quick).
  `clip_tokenizer.write` makes a tokenizer for CLIP.
- `__init__.py`: `FAMILY = StockFamily(...)`. Its fields say:
    - `pipelines`: task -> diffusers class name, or "MODULE:NAME" of a subclass where diffusers' own is mended. A
      variant's first task decides the class that loads it, so give variants that cannot draw from words alone their
      own order of tasks.
    - `classes`: what `_class_name` may be in model_index.json.
    - `arguments`: a function of `Given` to the pipeline's arguments; begin with `standard(given)` and change what
      differs (`true_cfg_scale` for `guidance_scale`, `max_sequence_length`, ...).
    - `schedulers` and `flow`: `FLOW` and True for flow matching; the table is class and settings by Request name.
    - `shows_references`, `reader`: references among the pictures of the pipeline; components that need other hands.
    - `unpack`: packed latents as (1, C, h, w) scaled as the VAE's encoder gives them, for the preview.
    - `text_readers`: text encoders that cut long texts, so that what they leave out is told.
    - `float32`: components that stay so whatever the run's dtype is.
    - `rescaling`: tasks whose pipeline takes `guidance_rescale`.
    - `file_variant_of`: which variant lies in a single file; `StockFamily.load_file` reads those of `original`.
    - `refuse_lora`: what is no LoRA for it, by its header (`lora_names`); without it, none is taken.
  Import `miniature` inside the function that is given as `write_miniature`: it imports torch.

For clips, a variant's grid has more than one frame, and its tasks end in "video". `standard` then gives the pipeline
those of `num_frames`, `fps`, `image` (the first frame), `last_image`, `video` (the clip that is changed, in as many
frames as the new one), `strength`, and for ControlNets a map of every frame; keyframes and whatever is called otherwise
are the family's own `arguments` to make of `Given`, with `pictures.fitted_clip` and `control.maps`. `follows_maps` is
for pipelines that take maps with no ControlNet. Frames come out as diffusers gives them: pictures, arrays or tensors.
Latents of five dimensions are (1, C, F, h, w), and the preview shows the middle frame; `unpack` is for others. A
pipeline may run its loop several times, if each time is as long and each ends in latents that the callback may replace
(`steps` in the plan is then the number of all their steps together). One with no `callback_on_step_end` is followed
through its scheduler, whose every step has to be one of its loop. What is not data (companions of its own, other steps)
is for a subclass of `StockFamily` that takes over `plan`, `equip`, `components` or `pipeline_name`.

What the adapter does with that: `family` is the contract; `plan` makes a Recipe's numbers; `load` loads a folder and
makes the pipeline of a task over its networks (`from_pipe`); `arguments` is what it is called with; `turns` and `loop`
follow its own loop through `callback_on_step_end`; `state` saves what schedulers and generators keep. `equip` lays over
what a recipe asks for: LoRAs (`lora`), IP-Adapters (`reference`), ControlNets (`control`, maps by `annotate`) and
textual inversions (`embedding`). `prompt` reads long and weighed prompts; `unet` and `original` are about Stable
Diffusion's UNets and single files.
"""

from praxino.families._stock.arguments import Given, standard, with_clip
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.family import StockFamily
from praxino.families._stock.reach import Reader
from praxino.families._stock.schedulers import DIFFUSION, FLOW

__all__ = ["DIFFUSION", "FLOW", "Folder", "Given", "Reader", "StockFamily", "standard", "with_clip"]
