"""Data: what the second edition's own motions, grounds, counts and sizes are called, and how its captions run.

Owns no rule; `lexicon` puts these beside the first edition's words and the names of CLDR. A word here belongs to
what it stands under even where the first edition used it for something else. A line begins with English, then Chinese.
"""


def _lists(table: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(word.strip() for word in words.replace("\n", ",").split(",") if word.strip())
            for name, words in table.items()}  # fmt: skip


MOTIONS = _lists({
    "falling down": "drifting down, drifts down, drift down, floating down, floats down",
    "flipping": """flipping, flip, flips, flipping over, flips over, turning over, somersault, somersaulting, flipped
        翻转, 翻面, 翻跟头, 翻滚, volteando, voltea, volteándose, se retourne, retournant, culbute, wendet, Salto,
        ひっくり返る, 裏返る, 反転, virando, vira, переворачивается, кувыркается, ينقلب, تنقلب""",
    "orbiting": """orbiting, orbit, orbits, circling, circle, circles, in circles, in a circle,
        going in circles, circle around
        绕圈, 环绕, 转圈飞, 画圈, 绕着, orbitando, orbita, en círculos, en orbite, orbite, en rond, kreist, kreisend,
        umkreist, 周回, 円を描いて, 軌道, em círculos, em órbita, orbita, по кругу, кружит, на орбите, حول نفسه""",
    "fading in": """fading in, fade in, fades in, appearing, appear, appears, emerging, emerges, showing up,
        materializing,
        淡入, 出现, 显现, 浮现, apareciendo, aparece, apparaît, apparaissant, erscheint, erscheinend, blendet ein,
        現れる, 現れて, フェードイン, aparecendo, surge, появляется, возникает, يظهر, تظهر""",
    "fading out": """fading out, fade out, fades out, fading, fade, fades, disappearing, disappear, disappears,
        vanishing,
        vanish, vanishes, dissolving, fading away, fades away, 淡出, 消失, 隐去, 渐渐消失, desapareciendo, desaparece,
        disparaît, disparaissant, verschwindet, verschwindend, blendet aus, 消える, 消えて, フェードアウト,
        desaparecendo,
        исчезает, пропадает, растворяется, يختفي, تختفي""",
    "jumping": """jumping, jump, jumps, leaping, leaps, leap, hopping, hop, hops, jumping up, leaps up,
        springing up, jumping for joy
        跳跃, 跳起, 跳起来, 蹦跳, 跳, 蹦, saltando, salta, brincando, saute, sautant, sautille, springt,
        springend, hüpft,
        hüpfend, ジャンプ, 跳ぶ, 跳んで, 飛び跳ねる, pulando, pula, saltando, прыгает, подпрыгивает, прыгающий,
        يقفز, تقفز""",
    "zigzagging": """zigzagging, zigzag, zigzags, zig zag, zig-zag, zig-zagging, weaving, meandering, darting about
        之字形, 曲折, 锯齿, 左右穿行, zigzagueando, zigzaguea, en zigzag, zigzague, zickzack, im zickzack,
        ジグザグ, ziguezagueando, em ziguezague, зигзагом, зигзаг, متعرج, بشكل متعرج""",
    "zooming in": """zooming in, zoom in, zooms in, zooming, zoom, zooms, coming closer, comes closer, getting closer,
        approaching, approaches, growing larger, getting bigger, gets bigger, getting larger, growing bigger,
        放大, 拉近, 靠近, 变大, acercándose, se acerca, s'approche, grossit, kommt näher, nähert sich, 近づく,
        近づいて,
        ズームイン, 拡大, se aproxima, aproximando, приближается, увеличивается, يقترب, تقترب""",
    "wobbling": """wobbling, wobble, wobbles, wobbly, jiggling, jiggles, jiggle, jelly, wiggling, wiggles,
        wiggle, squishing
        果冻般, 摇晃不稳, 左摇右晃, 晃悠, bamboleándose, se bambolea, vacille, gigote, wabbelt, wackelt, schwabbelt,
        ぷるぷる, ぷるんぷるん, よろめく, bamboleando, balançando mole, колышется, шатается, يتمايل, تتمايل""",
})  # fmt: skip

GROUNDS = _lists({
    "white": "",
    "black": "",
    "blue": "",
    "red": "",
    "green": "",
    "yellow": "",
    "orange": """orange, apricot, 橙色, 橘色, naranja, orangem, orangen, oranger, オレンジ, オレンジ色, laranja,
        оранжевый, оранжевом,
        برتقالي""",
    "purple": """purple, violet, lilac, lavender, 紫色, 紫, morado, morada, púrpura, violette, lila, violettem,
        紫の, roxo, roxa,
        фиолетовый, фиолетовом, пурпурный, بنفسجي""",
    "pink": """pink, rosy, magenta, fuchsia, 粉色, 粉红色, 粉红, rosado, rosada, rosafarben, ピンク, ピンク色,
        cor-de-rosa, розовый,
        розовом, وردي, زهري""",
    "grey": """grey, gray, silver, 灰色, 灰, gris, grise, grau, grauem, grauen, グレー, 灰色の, cinza, cinzento,
        серый, сером, رمادي""",
    "blue gradient": "blue gradient, blue fade, gradient, 蓝色渐变, 渐变, degradado azul, dégradé bleu, dégradé, "
        "blauer Verlauf, "
        "青のグラデーション, グラデーション, gradiente azul, синий градиент, градиент, تدرج أزرق",
    "red gradient": "red gradient, red fade, 红色渐变, degradado rojo, dégradé rouge, roter Verlauf, "
        "赤のグラデーション, gradiente "
        "vermelho, красный градиент, تدرج أحمر",
    "green gradient": "green gradient, green fade, 绿色渐变, degradado verde, dégradé vert, grüner Verlauf, "
        "緑のグラデーション, "
        "gradiente verde, зелёный градиент, تدرج أخضر",
    "orange gradient": "orange gradient, orange fade, 橙色渐变, degradado naranja, dégradé orange, oranger Verlauf, "
        "オレンジのグラデーション, gradiente laranja, оранжевый градиент, تدرج برتقالي",
    "purple gradient": "purple gradient, purple fade, violet gradient, 紫色渐变, degradado morado, "
        "dégradé violet, lila Verlauf, "
        "紫のグラデーション, gradiente roxo, фиолетовый градиент, تدرج بنفسجي",
    "grey gradient": "grey gradient, gray gradient, grey fade, 灰色渐变, degradado gris, dégradé gris, "
        "grauer Verlauf, "
        "グレーのグラデーション, gradiente cinza, серый градиент, تدرج رمادي",
    "sky": "sky, blue sky, in the sky, cloudy sky, clouds, heavens, in the air, 天空, 蓝天, 空中, 天上, cielo, "
        "ciel, Himmel, 空, "
        "青空, céu, небо, небе, سماء",
    "night": "night, night sky, starry night, starry sky, night with stars, stars, midnight, nighttime, "
        "at night, in space, "
        "outer space, galaxy, cosmos, 夜空, 星空, 夜晚, 黑夜, 夜里, 夜, 太空, noche, cielo nocturno, nuit, "
        "nuit étoilée, Nacht, "
        "Nachthimmel, Sternenhimmel, 夜の空, 宇宙, noite, céu noturno, ночь, ночном, ночью, ночное небо, ليل",
    "grass": "grass, grassy, lawn, meadow, field, grassland, garden, park, hills, on the grass, pasture, 草地, "
        "草坪, 草原, 田野, "
        "hierba, césped, pradera, herbe, prairie, pelouse, Gras, Wiese, Rasen, 草原の, 草の上, 芝生, grama, "
        "gramado, трава, траве, "
        "лужайка, лугу, عشب",
    "sea": "sea, ocean, ocean waves, on the waves, water, beach, seaside, at sea, on the water, lake, "
        "underwater, 大海, 海面, 海洋, 海上, 海边, 海, mar, océano, "
        "mer, océan, Meer, Ozean, 海の上, 海原, oceano, море, океан, море, بحر, محيط",
    "sunset": "sunset, dusk, evening, evening sky, twilight, sundown, sunrise, dawn, 日落, 夕阳, 黄昏, 晚霞, "
        "傍晚, atardecer, puesta de "
        "sol, coucher de soleil, crépuscule, Sonnenuntergang, Abendrot, Abendhimmel, 夕焼け, 夕日, 日没, "
        "pôr do sol, entardecer, "
        "закат, закате, غروب, الغروب",
    "snow": "snow, snowy, snowfall, winter, snowfield, in the snow, snowing, wintry, 雪地, 雪, 下雪, 冬天, 雪中, "
        "nieve, nevado, neige, "
        "enneigé, Schnee, verschneit, 雪の中, 雪原, neve, снег, снегу, зима, ثلج",
    "desert": "desert, sand, sandy, dunes, dune, sahara, 沙漠, 沙丘, 沙地, desierto, désert, Wüste, 砂漠, "
        "deserto, пустыня, пустыне, صحراء",
    "city": "city, town, cityscape, skyline, street, downtown, urban, buildings, skyscrapers, in the city, 城市, "
        "都市, 市区, 街上, "
        "ciudad, ville, Stadt, 街, 町, 都会, cidade, город, городе, مدينة",
})  # fmt: skip

COUNTS = _lists({
    "two": "two, 2, pair of, a pair of, couple of, a couple of, both, twin, 两, 二, 兩, 2个, dos, deux, zwei, "
        "二つ, 二匹, 二個, dois, "
        "duas, два, две, اثنان, اثنين",
    "three": "three, 3, trio of, a trio of, triple, a few, several, 三, 3个, tres, trois, drei, 三つ, 三匹, "
        "三個, três, три, ثلاثة, ثلاث",
})  # fmt: skip
SIZES = _lists({
    "small": "small, little, tiny, mini, miniature, wee, teeny, 小的, 小小的, 小小, 迷你, pequeño, pequeña, "
        "petit, petite, klein, kleine, "
        "kleiner, kleines, 小さい, 小さな, pequeno, pequena, маленький, маленькая, маленькое, صغير, صغيرة",
    "big": "big, large, huge, giant, enormous, gigantic, massive, 大的, 大大的, 巨大, 巨大的, 超大, grande, "
        "enorme, grand, énorme, gros, "
        "grosse, groß, große, großer, großes, riesig, riesige, 大きい, 大きな, большой, большая, большое, "
        "огромный, كبير, كبيرة",
})  # fmt: skip
JOINERS = tuple("and with beside next & + 和 与 跟 同 及 y con et avec und mit neben と e com и с рядом و مع".split())
THINGS = _lists({
    "robot": "android, bot, droid",
    "horse face": "horse, pony, mare, stallion",
    "monkey face": "monkey, ape, chimp",
    "cow face": "cow, calf, bull",
    "pig face": "pig, piglet, piggy, hog",
    "mouse face": "mouse, mice",
    "rabbit face": "rabbit, bunny, hare, bunnies",
    "tiger face": "tiger",
    "dragon face": "dragon",
    "spouting whale": "whale, 鲸鱼, 鲸",
    "christmas tree": "xmas tree, fir tree, tree",
    "wrapped gift": "gift, present, gift box",
    "honeybee": "bee, bumblebee",
    "lady beetle": "ladybug, ladybird",
    "t-rex": "dinosaur, dino, tyrannosaurus, tyrannosaurus rex, 恐龙",
    "airplane": "plane, aeroplane, jet, aircraft, jumbo jet",
    "bicycle": "bike, cycle",
    "motorcycle": "motorbike",
    "fire engine": "fire truck, firetruck",
    "locomotive": "train, steam train, steam engine",
    "sailboat": "boat, sailing boat, yacht",
    "flying saucer": "ufo, alien ship",
    "doughnut": "donut",
    "hamburger": "burger, cheeseburger",
    "french fries": "fries, chips",
    "ice cream": "icecream, sundae, gelato",
    "birthday cake": "cake",
    "cupcake": "muffin",
    "hot beverage": "coffee, tea, cup of coffee, cup of tea, cup, mug, espresso",
    "beer mug": "beer, pint, ale",
    "wine glass": "wine, red wine, glass of wine",
    "glass of milk": "milk",
    "ear of corn": "corn, maize",
    "hot pepper": "chili, chilli, chili pepper, chilli pepper",
    "cheese wedge": "cheese",
    "bowl with spoon": "soup, cereal",
    "steaming bowl": "ramen, noodle soup, noodles",
    "spaghetti": "pasta",
    "rice ball": "onigiri",
    "poodle": "",
    "pile of poo": "poop, poo",
    "skull": "skeleton",
    "clown face": "clown, jester",
    "smiling face with sunglasses": "cool face, smiley with sunglasses",
    "face with tears of joy": "laughing face, laughing emoji",
    "smiling face with heart-eyes": "heart eyes",
    "crying face": "sad face",
    "enraged face": "angry face, mad face",
    "thinking face": "thinker",
    "nerd face": "nerd, geek",
    "cowboy hat face": "cowboy",
    "alien monster": "space invader",
    "crescent moon": "moon, 月亮",
    "full moon face": "full moon",
    "sun with face": "smiling sun",
    "high voltage": "lightning, lightning bolt, bolt, thunderbolt",
    "droplet": "water drop, raindrop, 雨滴, 水滴",
    "fire": "flame, flames",
    "glasses": "spectacles, eyeglasses",
    "mobile phone": "phone, smartphone, cell phone, iphone",
    "television": "tv, telly",
    "laptop": "computer, notebook computer",
    "light bulb": "lightbulb, bulb",
    "open book": "book",
    "musical notes": "music, notes, melody",
    "headphone": "headphones",
    "wrench": "spanner",
    "teddy bear": "teddy, stuffed bear",
    "american football": "gridiron",
    "tennis": "tennis ball",
    "ping pong": "table tennis, ping-pong",
    "game die": "dice, die",
    "pool 8 ball": "eight ball, 8 ball, billiard ball",
    "water pistol": "water gun, squirt gun",
    "party popper": "confetti",
    "top hat": "hat",
    "billed cap": "cap, baseball cap",
    "t-shirt": "shirt, tee",
    "jeans": "trousers, pants",
    "running shoe": "sneaker, sneakers, trainer, shoe",
    "high-heeled shoe": "high heels, stiletto",
    "potted plant": "plant",
    "four leaf clover": "clover",
    "sparkles": "glitter, sparkle",
    "alarm clock": "clock",
    "hourglass done": "hourglass",
    "snowman": "frosty",
    "police car": "cop car",
    "bus": "coach, school bus",
})  # fmt: skip
"""Everyday words, most of them English, for things whose names of CLDR nobody says."""

SUBJECTS = {
    "one": "a {thing}",
    "counts": "{count} {thing}",
    "sizes": "a {size} {thing}",
    "pair": "a {thing} and a {other}",
}
CAPTION = "{subject} {motion} on a {ground} background"

TEMPLATES: dict[str, tuple[str, ...]] = {
    "en": (
        "{subject} {motion} on a {ground} background", "{subject} {motion}, {ground} background",
        "{subject} {motion}, {ground}",
        "on a {ground} background, {subject} {motion}", "{ground}: {subject} {motion}", "{motion} {bare}, {ground}",
        "an animation of {subject} {motion} against a {ground} background", "{subject}, {motion}, "
        "{ground} background please",
    ),
    "zh": ("{subject}在{ground}背景上{motion}", "{ground}背景,{subject}{motion}",
        "一个{motion}的{subject},{ground}背景", "{subject}{motion},{ground}"),
    "ja": ("{ground}の背景で{subject}が{motion}", "{subject}、{motion}、{ground}の背景"),
    "ru": ("{subject} {motion} на фоне {ground}", "{ground} фон, {subject} {motion}"),
    "ar": ("{subject} {motion} على خلفية {ground}", "خلفية {ground}, {subject} {motion}"),
}  # fmt: skip
"""How captions run in languages told apart by their script. `bare` is the subject without its article."""
