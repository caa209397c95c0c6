"""Owns the choice of the second edition's things and where their names come from; `write` makes things.json anew.

Names, keywords: Unicode CLDR annotations (npm cldr-annotations-full 48.2), groups: npm unicode-emoji-json 0.9. Needed
only when the choice changes; nothing imports it.
"""

import json
import re
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh", "es", "fr", "de", "ja", "pt", "ru", "ar")
GROUPS = {
    "Smileys & Emotion": "face",
    "Animals & Nature": "animal",
    "Food & Drink": "food",
    "Travel & Places": "travel",
    "Activities": "activity",
    "Objects": "object",
}
MOST_WORDS = 3
_TWINS = re.compile(
    r"\bwith\b|heart|hand|monkey$|^(grinning|weary|crying|pouting|kissing) cat|oncoming|o’clock|-thirty|moon|bubble|"
    r"banknote|mailbox|tray|envelope|chart|lock|suit$|globe|train|tram|speaker|building|card|notebook|book$|file|page|"
    r"paper|clip|ruler|pen$|japanese|medal|tree decoration|ticket|face (in|without|on)|cloud|symbol|button|sign"
)
"""What has a likeness among the rest, or shows letters."""


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(text.split()).split(", "))


KEPT = _names("""
    red heart, smiling face with sunglasses, smiling face with heart-eyes, smiling face with halo, full moon face,
    crescent moon, cloud, sun with face, open book, bubbles, paperclip, wrapped gift, cloud with rain, ice cream,
    steaming bowl, bowl with spoon, locomotive, face with tears of joy, face with monocle, cowboy hat face,
    sauropod, sports medal, christmas tree, cloud with lightning, spouting whale, bottle with popping cork,
    see-no-evil monkey, postal horn, mushroom, potted plant, alarm clock, broken heart, heart with arrow, backpack,
    soap, glass of milk, cup with straw
""")
EXCLUDED = _names("""
    grinning face, beaming face, upside-down face, melting face, smiling face, squinting face, face savoring food,
    neutral face, expressionless face, dotted line face, smirking face, unamused face, grimacing face, lying face,
    shaking face, relieved face, pensive face, drooling face, woozy face, confused face, worried face, frowning
    face, slightly frowning face, slightly smiling face, hushed face, astonished face, flushed face, distorted face,
    pleading face, anguished face, fearful face, confounded face, persevering face, disappointed face, weary face,
    tired face, yawning face, saluting face, shushing face, zany face, kissing face, winking face, grinning
    squinting face, disguised face, zipper-mouth face, sleepy face, face vomiting, angry face, hundred points, anger
    symbol, hole, zzz, sweat droplets, dashing away, dizzy, ogre, goblin, dodo, collision, kiss mark, dog, guide
    dog, cat, tiger, horse, cow, ox, water buffalo, pig, pig nose, mouse, rat, rabbit, dragon, whale, leopard,
    moose, donkey, bison, boar, ram, ewe, goat, two-hump camel, mammoth, hamster, chipmunk, orangutan, baby chick,
    front-facing baby chick, hatching chick, bird, dove, wing, goose, badger, otter, beaver, orca, fish, worm,
    microbe, mosquito, fly, cockroach, cricket, beetle, oyster, coral, seal, shrimp, squid, rosette, wilted flower,
    white flower, hyacinth, seedling, deciduous tree, evergreen tree, sheaf of rice, herb, shamrock, fallen leaf,
    leaf fluttering in wind, empty nest, leafless tree, hibiscus, lotus, paw prints, blossom, bouquet, phoenix,
    black cat, black bird, polar bear, melon, tangerine, green apple, olive, bell pepper, garlic, ginger root, pea
    pod, beans, root vegetable, peanuts, flatbread, cut of meat, poultry leg, burrito, tamale, stuffed flatbread,
    falafel, cooking, shallow pan of food, pot of food, fondue, green salad, butter, salt, canned food, bento box,
    rice cracker, cooked rice, curry rice, roasted sweet potato, oden, fish cake, moon cake, dango, takeout box,
    soft ice cream, shaved ice, shortcake, custard, pie, sake, tumbler glass, pouring liquid, mate, jar, amphora,
    clinking glasses, clinking beer mugs, leafy green, chestnut, beverage box, fork and knife, chopsticks, kitchen
    knife, baby bottle, baguette bread, lime, brown mushroom, ice, mango, blueberries, teacup without handle, bagel,
    waffle, world map, map of japan, compass, mountain, landslide, camping, desert, desert island, national park,
    stadium, brick, rock, wood, hut, houses, derelict house, office building, post office, hospital, bank, hotel,
    love hotel, convenience store, school, department store, factory, wedding, tokyo tower, church, mosque, hindu
    temple, synagogue, shinto shrine, kaaba, foggy, cityscape, sunrise, sunset, hot springs, barber pole, metro,
    light rail, station, monorail, mountain railway, railway car, trolleybus, minibus, sport utility vehicle,
    delivery truck, manual wheelchair, motorized wheelchair, auto rickshaw, motorway, railway track, oil drum, bus
    stop, construction, ferry, ship, passenger ship, small airplane, airplane departure, airplane arrival, seat,
    fog, suspension railway, mountain cableway, aerial tramway, hourglass not done, stopwatch, timer clock, cyclone,
    mantelpiece clock, wind face, umbrella on ground, closed umbrella, snowman without snow, milky way, motor boat,
    water wave, mount fuji, bellhop bell, vertical traffic light, wheel, fuel pump, glowing star, bridge at night,
    cityscape at dusk, playground slide, taxi, racing car, kick scooter, umbrella, fountain, star of david, comet,
    statue of liberty, articulated lorry, pickup truck, shooting star, canoe, roller skate, fireworks, sparkler,
    tanabata tree, pine decoration, carp streamer, wind chime, reminder ribbon, softball, martial arts uniform, goal
    net, lacrosse, field hockey, cricket game, flag in hole, running shirt, joker, performing arts, slot machine,
    joystick, framed picture, sewing needle, knot, goggles, lab coat, safety vest, coat, socks, kimono, sari,
    briefs, shorts, bikini, woman’s clothes, folding hand fan, purse, clutch bag, thong sandal, man’s shoe, hiking
    boot, flat shoe, woman’s sandal, woman’s boot, ballet shoes, hair pick, woman’s hat, military helmet, prayer
    beads, musical score, level slider, control knobs, musical keyboard, studio microphone, banjo, long drum, flute,
    trombone, telephone receiver, pager, fax machine, low battery, printer, keyboard, computer mouse, trackball,
    computer disk, optical disk, dvd, film frames, film projector, video camera, camera, videocassette, magnifying
    glass tilted right, diya lamp, ledger, bookmark tabs, bookmark, label, receipt, e-mail, postbox, black nib,
    memo, calendar, tear-off calendar, spiral calendar, pushpin, round pushpin, wastebasket, old key, pick, hammer
    and pick, hammer and wrench, nut and bolt, clamp, white cane, link, chains, hook, alembic, test tube, petri
    dish, dna, satellite antenna, syringe, drop of blood, adhesive bandage, crutch, stethoscope, x-ray, elevator,
    window, couch and lamp, plunger, shower, mouse trap, razor, lotion bottle, safety pin, roll of paper, sponge,
    cigarette, coffin, headstone, funeral urn, nazar amulet, hamsa, moai, placard, file cabinet, desktop computer,
    clapper board, mobile phone with arrow, straight ruler, harp, shovel, one-piece swimsuit, bullseye, rugby
    football, rolled-up newspaper, crossed swords, dagger, bow and arrow, carpentry saw, closed book, blue book,
    green book, orange book, pen, scroll, baseball, curling stone, abacus, rescue worker’s helmet, badminton, bell
    with slash, outbox tray, stop sign, skull and crossbones, speech balloon, thought balloon, mahjong red dragon,
    money-mouth face, musical note, floppy disk, battery, love letter, sunrise over mountains, locked, mirror,
    toilet, treasure chest, splatter, fingerprint, broom, bathtub, thread, flashlight, maracas
""")


def chosen(groups: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(name, character, group) of each thing: one code point, few words, no likeness to another, by their groups."""
    things = []
    for group in groups:
        if (kind := GROUPS.get(group["name"])) is None:
            continue
        for emoji in group["emojis"]:
            name, character = emoji["name"].lower(), emoji["emoji"].replace("\ufe0f", "")
            if len(character) == 1 and _is_wanted(name):
                things.append((name, character, kind))
    return things


def _is_wanted(name: str) -> bool:
    if name in KEPT:
        return True
    return name not in EXCLUDED and len(name.split()) <= MOST_WORDS and not _TWINS.search(name)


def write(groups_file: Path, annotations: Path, out: Path) -> None:
    """Write things.json: for each thing its character, group, and in each language its name and keywords."""
    tables = {
        language: json.loads((annotations / language / "annotations.json").read_text("utf-8"))["annotations"][
            "annotations"
        ]
        for language in LANGUAGES
    }
    rows = []
    for name, character, group in chosen(json.loads(groups_file.read_text("utf-8"))):
        words: dict[str, list[str]] = {}
        for language, table in tables.items():
            entry = table.get(character, table.get(character + "\ufe0f", {}))
            called = [text.split("|")[0].strip() for text in entry.get("tts", [])]
            words[language] = list(dict.fromkeys([*called, *entry.get("default", [])]))
        rows.append({"name": name, "character": character, "group": group, "words": words})
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in _unshared(rows)]
    out.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _unshared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with no keyword at two things; a thing's name is always kept, and stands first.

    Of several that share one, it goes to the one whose name holds it, and of those to the shortest name.
    """
    holders: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for language, words in row["words"].items():
            for word in words[1:]:
                holders.setdefault((language, word), []).append(words[0])
    for row in rows:
        for language, (name, *words) in row["words"].items():
            row["words"][language] = [name] + [w for w in words if name == _owner(w, holders[language, w])]
    return rows


def _owner(word: str, names: list[str]) -> str | None:
    """Whose a keyword is, by the names of those that have it."""
    naming = [name for name in names if word.casefold() in name.casefold()]
    return min(naming, key=len) if naming else names[0] if len(names) == 1 else None
