"""Data: what things, motions and grounds are called beside English. Owns no rule.

Chinese, Spanish, French, German, Japanese, Portuguese, Russian and Arabic, a line each; the names of things begin with
the emoji's own name in that language (Unicode CLDR). Inflected forms stand beside each other, since only English
endings are folded when a prompt is read. Words that mean something else in English are left out.
"""


def _names(table: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(word.strip() for word in words.replace("\n", ",").split(",") if word.strip())
            for name, words in table.items()}  # fmt: skip


THINGS = _names({
    "rocket": """火箭, 飞船, 太空船
        cohete, nave espacial
        fusée
        Rakete, Raumschiff
        ロケット, 宇宙船
        foguete
        ракета, ракеты
        صاروخ""",
    "cat face": """猫脸, 猫, 小猫, 猫咪, 喵
        cara de gato, gato, gata, gatito, gatita
        tête de chat, chat, chaton
        Katzengesicht, Katze, Kätzchen, Kater
        ネコの顔, ネコ, 猫, ねこ, 子猫
        rosto de gato, gatinho, gatinha
        морда кошки, кошка, кот, котик, котёнок
        وجه قطة, قطة, قط""",
    "dog face": """狗脸, 狗, 小狗, 狗狗
        cara de perro, perro, perra, perrito
        tête de chien, chien, chiot
        Hundegesicht, Hund, Welpe
        イヌの顔, イヌ, 犬, いぬ, 子犬
        rosto de cachorro, cachorro, cão, cachorrinho
        морда собаки, собака, собачка, щенок, пёс
        وجه كلب, كلب""",
    "red apple": """红苹果, 苹果
        manzana roja, manzana
        pomme rouge, pomme
        roter Apfel, Apfel
        赤リンゴ, リンゴ, りんご
        maçã vermelha, maçã
        красное яблоко, яблоко
        تفاح أحمر, تفاح, تفاحة""",
    "soccer ball": """足球, 球
        balón de fútbol, balón, pelota
        ballon de football, ballon de foot, balle
        Fußball
        サッカー, サッカーボール, ボール
        bola de futebol, bola
        футбол, футбольный мяч, мяч
        كرة قدم, كرة""",
    "red heart": """红心, 爱心, 心形
        corazón rojo, corazón
        cœur rouge, cœur, coeur
        rotes Herz, Herz
        赤いハート, ハート
        coração vermelho, coração
        алое сердце, красное сердце, сердце, сердечко
        قلب أحمر, قلب""",
    "frog": """青蛙, 蛙
        rana
        grenouille
        Frosch
        カエルの顔, カエル, 蛙
        sapo, rã
        голова лягушки, лягушка
        وجه ضفدع, ضفدع""",
    "balloon": """气球
        globo
        ballon gonflable, ballon
        Luftballon, Ballon
        風船, バルーン
        balão
        воздушный шарик, воздушный шар, шарик, шар
        بالون""",
    "ghost": """鬼, 幽灵, 鬼魂
        fantasma
        fantôme
        Gespenst, Geist
        お化け, おばけ, 幽霊
        привидение, призрак
        شبح""",
    "pizza": """披萨, 比萨
        rebanada de pizza
        part de pizza
        ピザ
        пицца, пиццы
        بيتزا""",
    "automobile": """汽车, 小汽车, 车, 轿车
        coche, carro
        voiture
        Wagen
        自動車, 車, クルマ
        автомобиль, машина
        سيارة""",
    "jack-o-lantern": """南瓜灯, 南瓜
        calabaza de halloween, calabaza
        citrouille
        Halloweenkürbis, Kürbis
        ハロウィンかぼちゃ, かぼちゃ, カボチャ
        abóbora de halloween, abóbora
        тыква-фонарь, тыква
        هالوين, يقطينة""",
    "tropical fish": """热带鱼, 鱼
        pez tropical, pez
        poisson tropical, poisson
        Tropenfisch, Fisch
        熱帯魚, 魚
        peixe tropical, peixe
        тропическая рыба, рыба, рыбка
        سمكة استوائية, سمكة""",
    "sunflower": """向日葵, 花
        girasol, flor
        tournesol, fleur
        Sonnenblume, Blume
        ヒマワリ, ひまわり, 花
        girassol
        подсолнух, цветок
        دوار الشمس, زهرة""",
    "banana": """香蕉
        plátano
        banane
        バナナ
        банан
        موز, موزة""",
    "gem stone": """宝石, 钻石
        piedra preciosa, diamante, gema
        pierre précieuse, diamant
        Edelstein
        ダイヤ, ダイヤモンド
        pedra preciosa
        драгоценный камень, бриллиант, алмаз
        جوهرة, الماس""",
})  # fmt: skip

MOTIONS = _names({
    "flying up": """向上飞, 往上飞, 飞起来, 飞上, 起飞, 升空, 上升, 升起, 飞行, 发射, 飞, 向上, 往上
        volando hacia arriba, vuela hacia arriba, hacia arriba, volando, vuela, subiendo, sube, despegando, despega
        vole vers le haut, vers le haut, s'envole, vole, volant, monte, montant, décolle
        fliegt nach oben, fliegt hoch, nach oben, fliegt, fliegend, fliegende, steigt auf, steigt, hebt ab
        飛び上がる, 飛んで, 飛ぶ, 上昇, 昇る, 上へ, 上に
        voando para cima, para cima, voando, voa, subindo, sobe, decolando, decola
        летит вверх, взлетает, летит, поднимается, вверх, летящая, летящий
        يطير, تطير, يصعد, تصعد, إلى الأعلى, للأعلى""",
    "falling down": """掉下来, 落下来, 往下掉, 掉下, 落下, 下落, 掉落, 下降, 坠落, 向下, 往下
        cayendo, cae, bajando, hacia abajo
        tombe, tombant, vers le bas
        fällt herunter, fällt, fallend, fallende, nach unten, sinkt
        落ちて, 落ちる, 落下, 下へ, 下に
        caindo, cai, descendo, para baixo
        падает вниз, падает, падающий, падающая, вниз, опускается
        يسقط, تسقط, يقع, تقع, إلى الأسفل, للأسفل""",
    "sliding left": """向左滑动, 向左移动, 向左滑, 往左, 向左, 左移
        deslizándose a la izquierda, hacia la izquierda, a la izquierda, izquierda
        glisse vers la gauche, vers la gauche, à gauche, gauche
        gleitet nach links, nach links, links
        左へ, 左に
        deslizando para a esquerda, para a esquerda, esquerda
        влево, налево
        إلى اليسار, لليسار, يسارا""",
    "sliding right": """向右滑动, 向右移动, 向右滑, 往右, 向右, 右移, 滑动, 移动, 开过
        deslizándose a la derecha, hacia la derecha, a la derecha, derecha
        glisse vers la droite, vers la droite, à droite, droite, glisse
        gleitet nach rechts, nach rechts, rechts, gleitet, fährt
        右へ, 右に
        deslizando para a direita, para a direita, direita
        вправо, направо, едет, скользит
        إلى اليمين, لليمين, يمينا""",
    "bouncing": """弹跳, 蹦跳, 跳跃, 跳起, 蹦, 跳, 弹
        rebotando, rebota, botando, saltando, salta
        rebondit, rebondissant, saute, sautant, sautille
        hüpft, hüpfend, hüpfende, springt, springend
        跳ねて, 跳ねる, 弾んで, 弾む, ジャンプ, バウンド, 跳ぶ
        quicando, quica, pulando, pula
        прыгает, подпрыгивает, скачет, прыгающий, прыгающая
        يقفز, تقفز, يرتد, ترتد""",
    "spinning": """旋转, 转动, 转圈, 打转, 转
        girando, gira, dando vueltas, rotando
        tourne, tournant, tournoie, pivote
        dreht sich, dreht, drehend, drehende, rotiert, rotierend
        回転, 回って, 回る, くるくる
        rodando, roda
        вращается, крутится, кружится, вращающийся, вращающаяся
        يدور, تدور, يلف""",
    "pulsing": """跳动, 心跳, 脉动, 变大变小, 放大缩小, 缩放
        latiendo, que late, palpitando, palpita, creciendo, crece
        qui bat, palpite, palpitant, grandit
        pulsiert, pulsierend, schlägt, pocht, wächst
        脈打つ, 脈動, 鼓動, ドキドキ
        pulsando, batendo, que bate
        пульсирует, бьётся, растёт
        ينبض, تنبض, يخفق""",
    "shaking": """抖动, 发抖, 颤抖, 震动, 晃动, 抖
        temblando, tiembla, sacudiéndose, vibrando, vibra
        tremble, tremblant, secoue, vibre
        zittert, zitternd, wackelt, vibriert, schüttelt
        震えて, 震える, ぶるぶる, 振動
        tremendo, treme, sacudindo
        дрожит, трясётся, вибрирует
        يهتز, تهتز, يرتجف, ترتجف""",
    "swinging": """荡秋千, 摇摆, 摇晃, 摆动, 跳舞, 挥手, 摇
        balanceándose, se balancea, meciéndose, bailando, baila
        se balance, balançant, oscille, danse, dansant
        schwingt, schwingend, schaukelt, pendelt, tanzt
        揺れて, 揺れる, ゆらゆら, 踊って, 踊る
        balançando, balança, dançando, dança
        качается, раскачивается, танцует
        يتأرجح, تتأرجح, يرقص, ترقص""",
})  # fmt: skip

GROUNDS = _names({
    "white": """白色, 白, 雪地
        blanco, blanca
        blanc, blanche
        weiß, weißem, weißen, weißer
        白い
        branco, branca
        белый, белом, белая, белой
        أبيض, بيضاء""",
    "black": """黑色, 黑, 夜空, 夜晚, 黑夜, 夜
        negro, negra, noche
        noir, noire, nuit
        schwarz, schwarzem, schwarzen, Nacht
        黒, 黒い, 黒色
        preto, preta, noite
        чёрный, чёрном, чёрная, ночь, ночном
        أسود, سوداء, ليل""",
    "blue": """蓝色, 蓝, 天空, 蓝天, 大海, 海
        azul, cielo
        bleu, bleue, ciel
        blau, blauem, blauen, Himmel
        青, 青い, 青色, 空
        céu
        синий, синем, синяя, голубой, голубом, небо, небе
        أزرق, زرقاء, سماء""",
    "red": """红色, 红
        rojo, roja
        rouge
        rotem, roten, roter
        赤, 赤い, 赤色
        vermelho, vermelha
        красный, красном, красная
        أحمر, حمراء""",
    "green": """绿色, 绿, 草地
        verde
        vert, verte
        grün, grünem, grünen
        緑, 緑色, 緑の
        зелёный, зелёном, зелёная
        أخضر, خضراء""",
    "yellow": """黄色, 黄, 沙漠
        amarillo, amarilla
        jaune
        gelb, gelbem, gelben
        黄色い
        amarelo, amarela
        жёлтый, жёлтом, жёлтая
        أصفر, صفراء""",
})  # fmt: skip
