"""Owns the words: what each thing, motion and ground may be called, and how captions are put together.

Must not know pictures or torch. The canonical caption is what inference uses; the variants teach the text encoder
to bear other wordings. `vocabulary()` is the machine-readable form that ships beside the model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

CANONICAL = "a {thing} {motion} on a {ground} background"
IMAGE_CAPTION = "{motion}"
IMAGE_THING_CAPTION = "a {thing} {motion}"

THING_WORDS: dict[str, tuple[str, ...]] = {
    "rocket": (
        "rocket",
        "rockets",
        "rocket ship",
        "rocketship",
        "rocket launch",
        "spaceship",
        "space ship",
        "spacecraft",
        "space rocket",
        "space shuttle",
        "shuttle",
        "space",
        "missile",
    ),
    "cat face": (
        "cat face",
        "cat",
        "cats",
        "kitten",
        "kitty",
        "kitty cat",
        "pussycat",
        "tomcat",
        "feline",
        "cat head",
        "meow",
    ),
    "dog face": (
        "dog face",
        "dog",
        "dogs",
        "puppy",
        "pup",
        "puppy dog",
        "doggy",
        "doggo",
        "hound",
        "canine",
        "dog head",
        "woof",
    ),
    "red apple": ("red apple", "apple", "apples", "ripe apple", "fresh apple"),
    "soccer ball": ("soccer ball", "soccer", "football", "ball", "soccerball", "foot ball", "balls"),
    "red heart": ("red heart", "heart", "hearts", "love", "love heart", "valentine", "romance"),
    "frog": ("frog", "frogs", "toad", "frog face", "froggy", "tadpole", "bullfrog"),
    "balloon": ("balloon", "balloons", "red balloon", "party balloon", "helium balloon", "party", "birthday"),
    "ghost": ("ghost", "ghosts", "spirit", "phantom", "spook", "specter", "spectre", "boo", "poltergeist"),
    "pizza": ("pizza", "pizza slice", "slice of pizza", "piece of pizza", "pepperoni pizza", "pizzas", "pepperoni"),
    "automobile": (
        "automobile",
        "car",
        "cars",
        "red car",
        "auto",
        "vehicle",
        "sedan",
        "motor car",
        "motorcar",
        "taxi",
        "race car",
        "racecar",
        "sports car",
    ),
    "jack-o-lantern": (
        "jack-o-lantern",
        "jack o lantern",
        "jack o'lantern",
        "jack-o'-lantern",
        "pumpkin",
        "pumpkins",
        "halloween",
        "halloween pumpkin",
        "carved pumpkin",
        "lantern",
    ),
    "tropical fish": (
        "tropical fish",
        "fish",
        "fishes",
        "angelfish",
        "clownfish",
        "goldfish",
        "clown fish",
        "reef fish",
    ),
    "sunflower": ("sunflower", "sunflowers", "flower", "flowers", "sun flower", "blossom", "bloom", "daisy"),
    "banana": ("banana", "bananas", "peeled banana", "plantain"),
    "gem stone": (
        "gem stone",
        "gem",
        "gems",
        "gemstone",
        "diamond",
        "diamonds",
        "jewel",
        "jewels",
        "crystal",
        "precious stone",
        "brilliant",
    ),
}
"""Names of each thing, its canonical one first. No word belongs to two things."""

MOTION_WORDS: dict[str, tuple[str, ...]] = {
    "flying up": (
        "flying up",
        "fly up",
        "flies up",
        "flying",
        "fly",
        "flies",
        "launch",
        "launching",
        "launches",
        "taking off",
        "takes off",
        "take off",
        "lifting off",
        "lift off",
        "liftoff",
        "blasting off",
        "blast off",
        "rising",
        "rises",
        "rise",
        "going up",
        "goes up",
        "go up",
        "floating up",
        "floats up",
        "floating",
        "floats",
        "float",
        "soaring",
        "soars",
        "soar",
        "ascending",
        "ascends",
        "moving up",
        "moves up",
        "climbing",
        "upward",
        "upwards",
    ),
    "falling down": (
        "falling down",
        "fall down",
        "falls down",
        "falling",
        "falls",
        "fall",
        "dropping",
        "drops",
        "drop",
        "dropping down",
        "going down",
        "goes down",
        "go down",
        "descending",
        "descends",
        "sinking",
        "sinks",
        "sink",
        "moving down",
        "moves down",
        "plummeting",
        "raining down",
        "raining",
        "landing",
        "lands",
        "tumbling down",
        "tumbling",
        "downward",
        "downwards",
        "crashing",
    ),
    "sliding left": (
        "sliding left",
        "slide left",
        "slides left",
        "slides to the left",
        "sliding to the left",
        "moving left",
        "moves left",
        "going left",
        "goes left",
        "to the left",
        "leftward",
        "leftwards",
        "driving left",
        "running left",
        "swimming left",
        "left",
    ),
    "sliding right": (
        "sliding right",
        "slide right",
        "slides right",
        "slides to the right",
        "sliding to the right",
        "moving right",
        "moves right",
        "going right",
        "goes right",
        "to the right",
        "rightward",
        "rightwards",
        "sliding",
        "slides",
        "slide",
        "moving",
        "moves",
        "driving",
        "drives",
        "drive",
        "driving by",
        "passing by",
        "rolling",
        "rolls",
        "running",
        "runs",
        "racing",
        "swimming",
        "swims",
        "swim",
        "travelling",
        "traveling",
        "driving right",
        "running right",
        "right",
    ),
    "bouncing": (
        "bouncing",
        "bounce",
        "bounces",
        "jumping",
        "jumps",
        "jump",
        "hopping",
        "hops",
        "hop",
        "leaping",
        "leaps",
        "bouncing up and down",
        "jumping up and down",
        "up and down",
        "skipping",
        "boing",
    ),
    "spinning": (
        "spinning",
        "spin",
        "spins",
        "rotating",
        "rotates",
        "rotate",
        "turning",
        "turns",
        "turn",
        "twirling",
        "twirls",
        "whirling",
        "whirls",
        "spinning around",
        "turning around",
        "going round",
        "revolving",
        "pirouette",
    ),
    "pulsing": (
        "pulsing",
        "pulse",
        "pulses",
        "pulsating",
        "pulsates",
        "beating",
        "beats",
        "beat",
        "throbbing",
        "throbs",
        "growing",
        "grows",
        "growing and shrinking",
        "zooming",
        "zooms",
        "zoom",
        "breathing",
        "breathes",
        "heartbeat",
        "getting bigger",
        "popping",
    ),
    "shaking": (
        "shaking",
        "shake",
        "shakes",
        "shivering",
        "shivers",
        "trembling",
        "trembles",
        "vibrating",
        "vibrates",
        "jittering",
        "jitters",
        "wobbling",
        "wobbles",
        "quivering",
        "rattling",
        "shuddering",
        "buzzing",
    ),
    "swinging": (
        "swinging",
        "swing",
        "swings",
        "rocking",
        "rocks",
        "swaying",
        "sways",
        "sway",
        "dangling",
        "pendulum",
        "dancing",
        "dances",
        "dance",
        "waving",
        "waves",
        "wagging",
        "wags",
        "side to side",
        "back and forth",
        "tilting",
    ),
}

GROUND_WORDS: dict[str, tuple[str, ...]] = {
    "white": ("white", "plain", "snow white", "ivory", "snow", "snowy", "bright", "pale"),
    "black": (
        "black",
        "dark",
        "night",
        "midnight",
        "pitch black",
        "darkness",
        "dark grey",
        "in the dark",
        "outer space",
    ),
    "blue": (
        "blue",
        "azure",
        "sky blue",
        "sky",
        "ocean",
        "sea",
        "water",
        "navy",
        "light blue",
        "dark blue",
        "cyan",
        "turquoise",
        "underwater",
    ),
    "red": ("red", "crimson", "scarlet", "dark red", "maroon", "ruby", "burgundy", "cherry"),
    "green": (
        "green",
        "emerald",
        "grass",
        "grassy",
        "meadow",
        "forest",
        "field",
        "lime",
        "light green",
        "dark green",
        "olive",
        "jungle",
    ),
    "yellow": ("yellow", "gold", "golden", "sunny", "lemon", "sand", "sandy", "amber", "mustard", "desert", "beach"),
}

TAUGHT_THINGS: dict[str, tuple[str, ...]] = {
    "rocket": ("rocket", "spaceship"), "cat face": ("cat face", "cat", "kitten"), "dog face": ("dog face", "dog", "puppy"),
    "red apple": ("red apple", "apple"), "soccer ball": ("soccer ball", "football"), "red heart": ("red heart", "heart"),
    "frog": ("frog",), "balloon": ("balloon",), "ghost": ("ghost",), "pizza": ("pizza", "pizza slice"),
    "automobile": ("automobile", "car"), "jack-o-lantern": ("jack-o-lantern", "pumpkin"),
    "tropical fish": ("tropical fish", "fish"), "sunflower": ("sunflower", "flower"), "banana": ("banana",),
    "gem stone": ("gem stone", "diamond", "gem"),
}  # fmt: skip
"""The few synonyms the text encoder itself learns; the longer lists serve the mapping done before it."""

TAUGHT_MOTIONS: dict[str, tuple[str, ...]] = {
    "flying up": ("flying up", "flies up", "going up"), "falling down": ("falling down", "falls down", "falling"),
    "sliding left": ("sliding left", "slides left"), "sliding right": ("sliding right", "slides right"),
    "bouncing": ("bouncing", "bounces", "jumping"), "spinning": ("spinning", "spins", "rotating"),
    "pulsing": ("pulsing", "pulses"), "shaking": ("shaking", "shakes"), "swinging": ("swinging", "swings"),
}  # fmt: skip

TEMPLATES = (
    "{a_thing} {motion} on {a_ground} background",
    "{a_thing} {motion}, {ground} background",
    "on {a_ground} background {a_thing} {motion}",
    "{thing} {motion} on {ground}",
    "{thing}, {motion}, {ground}",
    "{a_thing} {motion}",
    "{a_thing} on {a_ground} background",
    "{thing}",
)


@dataclass(frozen=True)
class CaptionMix:
    """How often a caption is the canonical one; the rest are variants."""

    canonical: float = 0.75


def with_article(phrase: str) -> str:
    """Put a or an before `phrase`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def canonical_caption(thing: str, motion: str, ground: str) -> str:
    """The caption inference uses."""
    return f"{with_article(thing)} {motion} on {with_article(ground)} background"


def image_caption(motion: str, thing: str | None = None) -> str:
    """The caption of image-to-video: the ground is in the picture, and the thing may have no name."""
    return motion if thing is None else f"{with_article(thing)} {motion}"


def draw_caption(thing: str, motion: str, ground: str, rng: np.random.Generator, mix: CaptionMix = CaptionMix()) -> str:
    """The canonical caption or, now and then, a variant with other words, another order or a missing part."""
    if rng.random() < mix.canonical:
        return canonical_caption(thing, motion, ground)
    template = TEMPLATES[rng.integers(len(TEMPLATES))]
    thing_word = TAUGHT_THINGS[thing][rng.integers(len(TAUGHT_THINGS[thing]))]
    motion_word = TAUGHT_MOTIONS[motion][rng.integers(len(TAUGHT_MOTIONS[motion]))]
    return template.format(
        thing=thing_word,
        a_thing=with_article(thing_word),
        motion=motion_word,
        ground=ground,
        a_ground=with_article(ground),
    )


def taught_words() -> list[str]:
    """Every word a drawn caption can hold, sorted; the tokenizer keeps each whole."""
    phrases = ["a an on background", *THING_WORDS, *MOTION_WORDS, *GROUND_WORDS]
    for table in (TAUGHT_THINGS, TAUGHT_MOTIONS):
        phrases += [word for words in table.values() for word in words]
    return sorted({word for phrase in phrases for word in phrase.split()} | {","})


def vocabulary() -> dict[str, Any]:
    """What vocabulary.json holds: every word that maps to something the model knows."""

    def entries(table: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
        return [{"name": name, "words": list(words)} for name, words in table.items()]

    return {
        "version": 1,
        "things": entries(THING_WORDS),
        "motions": entries(MOTION_WORDS),
        "grounds": entries(GROUND_WORDS),
        "caption": CANONICAL,
        "image_caption": IMAGE_CAPTION,
        "image_thing_caption": IMAGE_THING_CAPTION,
    }
