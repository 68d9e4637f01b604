"""The word tables behind the demonstration corpus; all entries were written for this project.

SPDX-License-Identifier: Apache-2.0

How to use: import and read; nothing here changes at run time. tasks.py turns these tables into records.
"""

CATEGORIES = {
    "animal": "lion tiger horse cow pig sheep goat rabbit mouse "
    "wolf fox bear deer eagle owl duck goose whale shark "
    "frog snake bee ant spider camel zebra monkey parrot turtle salmon",
    "fruit": "apple pear plum cherry grape lemon orange banana mango peach melon fig kiwi lime apricot berry",
    "colour": "red green blue yellow white black brown pink purple grey gold silver",
    "tool": "hammer saw drill wrench pliers axe shovel rake chisel screwdriver ladder brush",
    "metal": "iron copper zinc tin lead nickel steel bronze brass titanium",
    "vehicle": "car bus train tram ship boat bicycle truck plane ferry scooter wagon",
    "clothing": "shirt coat hat sock shoe glove scarf dress belt jacket boot skirt",
    "furniture": "table chair bed sofa desk shelf cupboard bench stool wardrobe",
    "drink": "water milk tea coffee juice cocoa lemonade cider",
    "instrument": "piano violin flute drum guitar trumpet harp cello organ clarinet",
    "weather": "rain snow wind storm fog hail thunder frost",
    "vegetable": "carrot potato onion cabbage bean pea spinach turnip radish pumpkin garlic tomato",
    "room": "kitchen bedroom bathroom cellar attic hall office garage",
    "building": "school church bridge tower castle library museum station hospital theatre",
}
CATEGORIES = {name: text.split() for name, text in CATEGORIES.items()}
NOUNS = [word for words in CATEGORIES.values() for word in words]
CATEGORY_OF = {word: name for name, words in CATEGORIES.items() for word in words}

ADJECTIVES = (
    "old new small large quick slow quiet loud warm cold bright dark happy sad clean dirty heavy light soft "
    "hard round flat strong weak young tall short wide narrow empty full broken"
).split()
VERBS_PAST = (
    "found bought painted carried sold washed lost moved cleaned opened closed lifted drew hid broke fixed"
).split()
PEOPLE = (
    "Ana Ben Clara David Emma Felix Greta Hugo Ines Jonas "
    "Karim Lena Marco Nadia Omar Petra Quinn Rosa Samir Tara "
    "Uma Victor Wanda Yusuf Zoe Ivan Mei Kofi Leila Aiko"
).split()
CITIES = (
    "Paris Rome Oslo Madrid Berlin Vienna Athens Cairo Lima Tokyo Delhi Dublin Lisbon Prague Warsaw Helsinki "
    "Nairobi Quito Hanoi Seoul"
).split()
JOBS = (
    "baker teacher doctor farmer pilot painter singer cook "
    "nurse driver writer judge miner tailor sailor gardener"
).split()
PLACES = (
    "garden kitchen street market forest river harbour station field library yard cellar valley beach".split()
)
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth".split()

# One meaning a line; the columns follow LANGUAGES.
LANGUAGES = (
    "Spanish French German Finnish Turkish Russian Greek Chinese Japanese Korean Arabic Hebrew Hindi".split()
)
_MEANINGS = """
water: agua|eau|Wasser|vesi|su|вода|νερό|水|水|물|ماء|מים|पानी
fire: fuego|feu|Feuer|tuli|ateş|огонь|φωτιά|火|火|불|نار|אש|आग
sun: sol|soleil|Sonne|aurinko|güneş|солнце|ήλιος|太阳|太陽|태양|شمس|שמש|सूरज
moon: luna|lune|Mond|kuu|ay|луна|φεγγάρι|月亮|月|달|قمر|ירח|चाँद
tree: árbol|arbre|Baum|puu|ağaç|дерево|δέντρο|树|木|나무|شجرة|עץ|पेड़
house: casa|maison|Haus|talo|ev|дом|σπίτι|房子|家|집|بيت|בית|घर
dog: perro|chien|Hund|koira|köpek|собака|σκύλος|狗|犬|개|كلب|כלב|कुत्ता
cat: gato|chat|Katze|kissa|kedi|кошка|γάτα|猫|猫|고양이|قطة|חתול|बिल्ली
bread: pan|pain|Brot|leipä|ekmek|хлеб|ψωμί|面包|パン|빵|خبز|לחם|रोटी
milk: leche|lait|Milch|maito|süt|молоко|γάλα|牛奶|牛乳|우유|حليب|חלב|दूध
book: libro|livre|Buch|kirja|kitap|книга|βιβλίο|书|本|책|كتاب|ספר|किताब
hand: mano|main|Hand|käsi|el|рука|χέρι|手|手|손|يد|יד|हाथ
eye: ojo|œil|Auge|silmä|göz|глаз|μάτι|眼睛|目|눈|عين|עין|आँख
river: río|rivière|Fluss|joki|nehir|река|ποτάμι|河|川|강|نهر|נהר|नदी
mountain: montaña|montagne|Berg|vuori|dağ|гора|βουνό|山|山|산|جبل|הר|पहाड़
snow: nieve|neige|Schnee|lumi|kar|снег|χιόνι|雪|雪|눈|ثلج|שלג|बर्फ़
red: rojo|rouge|rot|punainen|kırmızı|красный|κόκκινο|红色|赤|빨강|أحمر|אדום|लाल
white: blanco|blanc|weiß|valkoinen|beyaz|белый|άσπρο|白色|白|하양|أبيض|לבן|सफ़ेद
one: uno|un|eins|yksi|bir|один|ένα|一|一|하나|واحد|אחת|एक
two: dos|deux|zwei|kaksi|iki|два|δύο|二|二|둘|اثنان|שתיים|दो
three: tres|trois|drei|kolme|üç|три|τρία|三|三|셋|ثلاثة|שלוש|तीन
day: día|jour|Tag|päivä|gün|день|μέρα|天|日|날|يوم|יום|दिन
night: noche|nuit|Nacht|yö|gece|ночь|νύχτα|夜|夜|밤|ليل|לילה|रात
fish: pez|poisson|Fisch|kala|balık|рыба|ψάρι|鱼|魚|물고기|سمك|דג|मछली
"""
TRANSLATIONS = {}
for _line in _MEANINGS.strip().split("\n"):
    _word, _rest = _line.split(": ")
    TRANSLATIONS[_word] = dict(zip(LANGUAGES, _rest.split("|")))

# Two made-up languages: no other text can have taught a model these words.
MADE_UP = {
    "Velnish": dict(
        zip(
            TRANSLATIONS,
            (
                "oru tisk malo venna dral kepo hunda sili brak lomu tavik peno ulo rasha monda "
                "fisk rudo belo ain dova tresk sola noka pisko"
            ).split(),
        )
    ),
    "Tamori": dict(
        zip(
            TRANSLATIONS,
            (
                "wai hira kano lupe tama noho keri miu panu rewa puka ringa kanu awa teko huka "
                "whero tea kahi rua toru raki poho ikari"
            ).split(),
        )
    ),
}

CAPITALS = dict(
    line.split(":")
    for line in (
        "France:Paris Italy:Rome Norway:Oslo Spain:Madrid "
        "Germany:Berlin Austria:Vienna Greece:Athens Egypt:Cairo Peru:Lima "
        "Japan:Tokyo Ireland:Dublin Portugal:Lisbon "
        "Poland:Warsaw Finland:Helsinki Kenya:Nairobi Ecuador:Quito "
        "Vietnam:Hanoi Sweden:Stockholm Denmark:Copenhagen "
        "Hungary:Budapest Turkey:Ankara Russia:Moscow China:Beijing "
        "Cuba:Havana Canada:Ottawa Chile:Santiago Ghana:Accra Iraq:Baghdad Nepal:Kathmandu Latvia:Riga"
    ).split()
)
CAPITALS_ES = {
    "Francia": "París",
    "Italia": "Roma",
    "España": "Madrid",
    "Grecia": "Atenas",
    "Japón": "Tokio",
    "Alemania": "Berlín",
    "Rusia": "Moscú",
    "Perú": "Lima",
    "Noruega": "Oslo",
    "Suecia": "Estocolmo",
    "Portugal": "Lisboa",
    "Cuba": "La Habana",
    "Polonia": "Varsovia",
    "Egipto": "El Cairo",
}
CAPITALS_RU = {
    "Франции": "Париж",
    "Италии": "Рим",
    "Испании": "Мадрид",
    "Греции": "Афины",
    "Японии": "Токио",
    "Германии": "Берлин",
    "России": "Москва",
    "Перу": "Лима",
    "Норвегии": "Осло",
    "Швеции": "Стокгольм",
    "Польши": "Варшава",
    "Египта": "Каир",
    "Китая": "Пекин",
    "Кубы": "Гавана",
}

SOUNDS = dict(
    line.split(":")
    for line in (
        "dog:barks cat:meows cow:moos sheep:bleats horse:neighs "
        "pig:grunts duck:quacks lion:roars wolf:howls frog:croaks "
        "bee:buzzes snake:hisses owl:hoots mouse:squeaks"
    ).split()
)
ELEMENTS = {
    "hydrogen": ("H", 1),
    "helium": ("He", 2),
    "carbon": ("C", 6),
    "nitrogen": ("N", 7),
    "oxygen": ("O", 8),
    "neon": ("Ne", 10),
    "sodium": ("Na", 11),
    "aluminium": ("Al", 13),
    "sulfur": ("S", 16),
    "chlorine": ("Cl", 17),
    "calcium": ("Ca", 20),
    "iron": ("Fe", 26),
    "nickel": ("Ni", 28),
    "copper": ("Cu", 29),
    "zinc": ("Zn", 30),
    "silver": ("Ag", 47),
    "tin": ("Sn", 50),
    "gold": ("Au", 79),
    "mercury": ("Hg", 80),
    "lead": ("Pb", 82),
}
OPPOSITES = dict(
    pair.split(":")
    for pair in (
        "old:new small:large quick:slow quiet:loud warm:cold "
        "bright:dark happy:sad clean:dirty heavy:light soft:hard "
        "strong:weak tall:short wide:narrow empty:full open:closed "
        "early:late rich:poor wet:dry high:low near:far"
    ).split()
)
OPPOSITES.update({b: a for a, b in list(OPPOSITES.items())})
PLURALS = {
    "mouse": "mice",
    "goose": "geese",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "man": "men",
    "woman": "women",
    "sheep": "sheep",
    "wolf": "wolves",
    "leaf": "leaves",
    "knife": "knives",
    "box": "boxes",
    "bus": "buses",
    "church": "churches",
    "baby": "babies",
    "city": "cities",
    "cherry": "cherries",
    "dog": "dogs",
    "table": "tables",
    "boat": "boats",
    "shirt": "shirts",
    "hat": "hats",
    "owl": "owls",
}
RHYMES = [
    group.split()
    for group in (
        "cat hat bat mat",
        "moon spoon noon soon",
        "light night bright kite",
        "tree bee sea key",
        "star car jar far",
        "house mouse blouse",
        "ring king sing wing",
        "rain train chain plane",
        "bell shell well tell",
        "book cook hook look",
        "ball tall wall fall",
        "bread red bed head",
        "rose nose hose toes",
        "fox box rocks socks",
        "boat coat goat note",
        "snow bow row low",
    )
]
RECIPES = {
    "tea": [
        "Boil the water.",
        "Put the leaves in a pot.",
        "Pour the water on the leaves.",
        "Wait four minutes.",
    ],
    "toast": [
        "Cut a slice of bread.",
        "Put it in the toaster.",
        "Wait until it is brown.",
        "Spread butter on it.",
    ],
    "a salad": ["Wash the lettuce.", "Cut the tomatoes.", "Mix them in a bowl.", "Add oil and salt."],
    "rice": [
        "Wash the rice.",
        "Cover it with water.",
        "Boil it for twelve minutes.",
        "Drain it and add salt.",
    ],
    "a boiled egg": [
        "Heat water in a pan.",
        "Lower the egg into it.",
        "Wait seven minutes.",
        "Cool the egg and peel it.",
    ],
    "soup": ["Chop the vegetables.", "Fry them in a pot.", "Add water and salt.", "Simmer for half an hour."],
    "a paper boat": [
        "Fold the sheet in half.",
        "Fold the corners to the middle.",
        "Turn up both edges.",
        "Pull the sides apart.",
    ],
    "a bed": [
        "Take off the old sheet.",
        "Spread a clean sheet.",
        "Shake the pillows.",
        "Lay the blanket on top.",
    ],
    "a seed bed": [
        "Dig the soil.",
        "Draw straight lines.",
        "Drop the seeds in.",
        "Cover them and water them.",
    ],
    "a flat tyre": [
        "Take off the wheel.",
        "Find the hole in the tube.",
        "Glue a patch on it.",
        "Put the wheel back.",
    ],
}
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()

# Words of other scripts, for copying and turning around; the tables above give them their Latin neighbours.
SCRIPTS = {name: [TRANSLATIONS[word][name] for word in TRANSLATIONS] for name in LANGUAGES}


def number_in_words(n):
    """An English numeral for 0 <= n < 1000."""
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10] + ("-" + SMALL[n % 10] if n % 10 else "")
    rest = n % 100
    return SMALL[n // 100] + " hundred" + (" and " + number_in_words(rest) if rest else "")
