"""Data: what each thing, motion and ground may be called. Owns no rule; `captions` puts the words to use."""


def _lists(table: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(words.split(", ")) for name, words in table.items()}


THING_WORDS = _lists({
    "rocket": (
        "rocket, rockets, rocket ship, rocketship, spaceship, space ship, spacecraft, space "
        "rocket, space shuttle, shuttle, space, missile"
    ),
    "cat face": "cat face, cat, cats, kitten, kitty, kitty cat, pussycat, tomcat, feline, cat head, meow",
    "dog face": "dog face, dog, dogs, puppy, pup, puppy dog, doggy, doggo, hound, canine, dog head, woof",
    "red apple": "red apple, apple, apples, ripe apple, fresh apple",
    "soccer ball": "soccer ball, soccer, football, ball, soccerball, foot ball, balls",
    "red heart": "red heart, heart, hearts, love, love heart, valentine, romance",
    "frog": "frog, frogs, toad, frog face, froggy, tadpole, bullfrog",
    "balloon": "balloon, balloons, red balloon, party balloon, helium balloon, party, birthday",
    "ghost": "ghost, ghosts, spirit, phantom, spook, specter, spectre, boo, poltergeist",
    "pizza": "pizza, pizza slice, slice of pizza, piece of pizza, pepperoni pizza, pizzas, pepperoni",
    "automobile": (
        "automobile, car, cars, red car, auto, vehicle, sedan, motor car, motorcar, taxi, race car, racecar, "
        "sports car"
    ),
    "jack-o-lantern": (
        "jack-o-lantern, jack o lantern, jack o'lantern, jack-o'-lantern, pumpkin, pumpkins, halloween, halloween "
        "pumpkin, carved pumpkin, lantern"
    ),
    "tropical fish": "tropical fish, fish, fishes, angelfish, clownfish, goldfish, clown fish, reef fish",
    "sunflower": "sunflower, sunflowers, flower, flowers, sun flower, blossom, bloom, daisy",
    "banana": "banana, bananas, peeled banana, plantain",
    "gem stone": "gem stone, gem, gems, gemstone, diamond, diamonds, jewel, jewels, crystal, precious stone, brilliant",
})  # fmt: skip
"""Names of each thing, its canonical one first. No word belongs to two things."""

MOTION_WORDS = _lists({
    "flying up": (
        "flying up, fly up, flies up, flying, fly, flies, launch, launching, launches, taking off, takes off, "
        "take off, lifting off, lift off, liftoff, blasting off, blast off, rising, rises, rise, going up, goes "
        "up, go up, floating up, floats up, floating, floats, float, soaring, soars, soar, ascending, ascends, "
        "moving up, moves up, climbing, upward, upwards"
    ),
    "falling down": (
        "falling down, fall down, falls down, falling, falls, fall, dropping, drops, drop, dropping down, going "
        "down, goes down, go down, descending, descends, sinking, sinks, sink, moving down, moves down, "
        "plummeting, raining down, raining, landing, lands, tumbling down, tumbling, downward, downwards, "
        "crashing"
    ),
    "sliding left": (
        "sliding left, slide left, slides left, slides to the left, sliding to the left, moving left, moves left, "
        "going left, goes left, to the left, leftward, leftwards, driving left, running left, swimming left, left"
    ),
    "sliding right": (
        "sliding right, slide right, slides right, slides to the right, sliding to the right, moving right, moves "
        "right, going right, goes right, to the right, rightward, rightwards, sliding, slides, slide, moving, "
        "moves, driving, drives, drive, driving by, passing by, rolling, rolls, running, runs, racing, swimming, "
        "swims, swim, travelling, traveling, driving right, running right, right"
    ),
    "bouncing": (
        "bouncing, bounce, bounces, jumping, jumps, jump, hopping, hops, hop, leaping, leaps, bouncing up and "
        "down, jumping up and down, up and down, skipping, boing"
    ),
    "spinning": (
        "spinning, spin, spins, rotating, rotates, rotate, turning, turns, turn, twirling, twirls, whirling, "
        "whirls, round and round, go round and round, "
        "goes round and round, spinning around, turning around, going round, revolving, pirouette"
    ),
    "pulsing": (
        "pulsing, pulse, pulses, pulsating, pulsates, beating, beats, beat, throbbing, throbs, growing, grows, "
        "growing and shrinking, zooming, zooms, zoom, breathing, breathes, heartbeat, getting bigger, popping"
    ),
    "shaking": (
        "shaking, shake, shakes, shivering, shivers, trembling, trembles, vibrating, vibrates, jittering, "
        "jitters, wobbling, wobbles, quivering, rattling, shuddering, buzzing"
    ),
    "swinging": (
        "swinging, swing, swings, rocking, rocks, swaying, sways, sway, dangling, pendulum, dancing, dances, "
        "dance, waving, waves, wagging, wags, side to side, back and forth, tilting"
    ),
})  # fmt: skip

GROUND_WORDS = _lists({
    "white": "white, plain, snow white, ivory, snow, snowy, bright, pale",
    "black": "black, dark, night, midnight, pitch black, darkness, dark grey, in the dark, outer space",
    "blue": "blue, azure, sky blue, sky, ocean, sea, water, navy, light blue, dark blue, cyan, turquoise, underwater",
    "red": "red, crimson, scarlet, dark red, maroon, ruby, burgundy, cherry",
    "green": "green, emerald, grass, grassy, meadow, forest, field, lime, light green, dark green, olive, jungle",
    "yellow": "yellow, gold, golden, sunny, lemon, sand, sandy, amber, mustard, desert, beach",
})  # fmt: skip

TAUGHT_THINGS = _lists({
    "rocket": "rocket, spaceship",
    "cat face": "cat face, cat, kitten",
    "dog face": "dog face, dog, puppy",
    "red apple": "red apple, apple",
    "soccer ball": "soccer ball, football",
    "red heart": "red heart, heart",
    "frog": "frog",
    "balloon": "balloon",
    "ghost": "ghost",
    "pizza": "pizza, pizza slice",
    "automobile": "automobile, car",
    "jack-o-lantern": "jack-o-lantern, pumpkin",
    "tropical fish": "tropical fish, fish",
    "sunflower": "sunflower, flower",
    "banana": "banana",
    "gem stone": "gem stone, diamond, gem",
})  # fmt: skip
"""The few synonyms the text encoder itself learns; the longer lists serve the mapping done before it."""

TAUGHT_MOTIONS = _lists({
    "flying up": "flying up, flies up, going up",
    "falling down": "falling down, falls down, falling",
    "sliding left": "sliding left, slides left",
    "sliding right": "sliding right, slides right",
    "bouncing": "bouncing, bounces, jumping",
    "spinning": "spinning, spins, rotating",
    "pulsing": "pulsing, pulses",
    "shaking": "shaking, shakes",
    "swinging": "swinging, swings",
})  # fmt: skip
