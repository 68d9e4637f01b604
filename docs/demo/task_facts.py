"""Tasks whose answers follow from tables or arithmetic: translation, facts, numbers, dates, units.

SPDX-License-Identifier: Apache-2.0

How to use: import for its effect, which is to register the tasks; the first phrasings of a task are those
for training, the second those for the scored parts.
"""

import words as W
from task_base import LIST_FORMS, list_answer, list_record, task

# ---------------------------------------------------------------- words and facts by table


@task(
    "translate",
    """
Translate into {lang}.
Write these words in {lang}.
Give the {lang} words.
How do you say this in {lang}?
Translate the words from English to {lang}.
Say this in {lang}.
""",
    """
Translate these words into {lang}.
What are the {lang} words?
Write this text in {lang}.
""",
    weight=10,
)
def translate(r):
    lang = r.pick(W.LANGUAGES + list(W.MADE_UP) * 2)
    items = r.sample(list(W.TRANSLATIONS), r.between(2, 5))
    table = {w: (W.MADE_UP[lang][w] if lang in W.MADE_UP else W.TRANSLATIONS[w][lang]) for w in items}
    fields, text, output, key = list_record(r, items, list(table.values()))
    return {**fields, "lang": lang}, text, output, key + lang


@task(
    "translate back",
    """
Translate from {lang} into English.
What do these {lang} words mean?
Give the English words for this {lang} text.
Translate this {lang} text to English.
""",
    """
Translate these {lang} words into English.
What does this {lang} text mean?
""",
    weight=5,
)
def translate_back(r):
    lang = r.pick(W.LANGUAGES + list(W.MADE_UP))
    items = r.sample(list(W.TRANSLATIONS), r.between(2, 4))
    there = [W.MADE_UP[lang][w] if lang in W.MADE_UP else W.TRANSLATIONS[w][lang] for w in items]
    fields, text, output, key = list_record(r, there, items)
    return {**fields, "lang": lang}, text, output, key + lang


@task(
    "dictionary",
    """
Make a small dictionary from English to {lang}.
Write each word with its {lang} translation.
List the words and their {lang} meaning.
""",
    """
Write every word with its {lang} meaning.
Make a dictionary of these words in {lang}.
""",
    weight=4,
)
def dictionary(r):
    lang = r.pick(W.LANGUAGES)
    items = r.sample(list(W.TRANSLATIONS), r.between(2, 4))
    text = ", ".join(items)
    return {"lang": lang}, text, "\n".join(f"{w} = {W.TRANSLATIONS[w][lang]}" for w in items), text + lang


@task(
    "capital city",
    """
What is the capital of {c}?
Name the capital of {c}.
Which city is the capital of {c}?
Tell me the capital city of {c}.
""",
    """
What is the capital city of {c}?
Which city is {c}'s capital?
""",
    weight=3,
)
def capital_city(r):
    c = r.pick(list(W.CAPITALS))
    return {"c": c}, "", f"The capital of {c} is {W.CAPITALS[c]}.", None


@task(
    "capital city, Spanish",
    """
¿Cuál es la capital de {c}?
Dime la capital de {c}.
Nombra la capital de {c}.
""",
    """
¿Qué ciudad es la capital de {c}?
""",
    weight=1,
)
def capital_city_es(r):
    c = r.pick(list(W.CAPITALS_ES))
    return {"c": c}, "", f"La capital de {c} es {W.CAPITALS_ES[c]}.", None


@task(
    "capital city, Russian",
    """
Какой город столица {c}?
Назови столицу {c}.
Скажи, как называется столица {c}.
""",
    """
Как называется столица {c}?
""",
    weight=1,
)
def capital_city_ru(r):
    c = r.pick(list(W.CAPITALS_RU))
    return {"c": c}, "", f"Столица {c} — {W.CAPITALS_RU[c]}.", None


@task(
    "countries",
    """
Name the capitals of these countries.
Give the capital of each country.
Write each country with its capital.
""",
    """
Write the capital of each country.
List the capitals of these countries.
""",
    weight=4,
)
def countries(r):
    items = r.sample(list(W.CAPITALS), r.between(2, 5))
    text = ", ".join(items)
    return {}, text, "\n".join(f"{c}: {W.CAPITALS[c]}" for c in items), text


@task(
    "sound",
    """
What sound does a {a} make?
Which noise does the {a} make?
Say what a {a} does when it is loud.
""",
    """
What noise does a {a} make?
Which sound does the {a} make?
""",
    weight=1,
)
def sound(r):
    a = r.pick(list(W.SOUNDS))
    return {"a": a}, "", f"The {a} {W.SOUNDS[a]}.", None


@task(
    "element",
    """
What is the chemical symbol of {e}?
Give the symbol and the atomic number of {e}.
Tell me about the element {e}.
""",
    """
What are the symbol and number of {e}?
Tell me the symbol of the element {e}.
""",
    weight=2,
)
def element(r):
    e = r.pick(list(W.ELEMENTS))
    symbol, number = W.ELEMENTS[e]
    return {"e": e}, "", f"The symbol of {e} is {symbol} and its atomic number is {number}.", None


@task(
    "opposite",
    """
Write the opposite of each word.
Give the opposites.
What are the opposites of these words?
Change every word to its opposite.
""",
    """
Give the opposite of each word.
Write the opposites of these words.
""",
    weight=4,
)
def opposite(r):
    items = r.sample(list(W.OPPOSITES), r.between(2, 5))
    return list_record(r, items, [W.OPPOSITES[v] for v in items])


@task(
    "plural",
    """
Write the plural of each word.
Give the plural forms.
Make these words plural.
""",
    """
Give the plural of each word.
Write these words in the plural.
""",
    weight=3,
)
def plural(r):
    items = r.sample(list(W.PLURALS), r.between(2, 5))
    return list_record(r, items, [W.PLURALS[v] for v in items])


@task(
    "rhyme",
    """
Which words rhyme with {w}?
Find rhymes for {w}.
Name some words that rhyme with {w}.
""",
    """
Name words that rhyme with {w}.
Find words that rhyme with {w}.
""",
    weight=3,
)
def rhyme(r):
    group = r.pick(W.RHYMES)
    w = r.pick(group)
    ending, output = list_answer(r, [v for v in group if v != w])
    return {"w": w, "": ending}, "", output, None


@task(
    "steps",
    """
How do you make {x}?
List the steps to make {x}.
Write a recipe for {x}.
Explain how to make {x}.
""",
    """
What are the steps to make {x}?
Tell me how to make {x}.
""",
    weight=3,
)
def steps(r):
    x = r.pick([v for v in W.RECIPES if v != "a flat tyre"])
    form = r.pick(["numbered", "lines"])
    return (
        {"x": x, "": r.pick(LIST_FORMS[form][1 if r.scored else 0])},
        "",
        LIST_FORMS[form][2](W.RECIPES[x]),
        None,
    )


# ---------------------------------------------------------------- numbers


@task(
    "arithmetic",
    """
Calculate {x}.
What is {x}?
Work out {x}.
Compute {x}.
""",
    """
How much is {x}?
Give the result of {x}.
""",
    weight=6,
)
def arithmetic(r):
    a, b, op = r.between(1, 50), r.between(1, 50), r.pick("+-*")
    if op == "*":
        a, b = r.between(2, 12), r.between(2, 12)
    elif op == "-":
        a, b = max(a, b), min(a, b)
    text = f"{a} {op} {b}"
    return (
        {"x": text},
        "",
        f"{text} = {a + b if op == '+' else a - b if op == '-' else a * b}",
        None if op == "*" else text,
    )


@task(
    "number words",
    """
Write the number {n} in words.
How do you write {n} in words?
Spell the number {n}.
""",
    """
Write {n} in words.
Say the number {n} in words.
""",
    weight=3,
)
def number_words(r):
    n = r.between(21, 999)
    return {"n": n}, "", W.number_in_words(n), str(n)


@task(
    "count up",
    """
Count from {a} to {b}.
List the numbers from {a} to {b}.
Write all numbers from {a} to {b}.
""",
    """
Write the numbers from {a} to {b}.
Count up from {a} to {b}.
""",
    weight=3,
)
def count_up(r):
    a = r.between(1, 90)
    b = a + r.between(3, 9)
    ending, output = list_answer(r, [str(v) for v in range(a, b + 1)])
    return {"a": a, "b": b, "": ending}, "", output.replace('"', ""), f"{a} {b}"


@task(
    "compare",
    """
Which is larger, {a} or {b}?
Compare {a} and {b}.
Which number is greater, {a} or {b}?
""",
    """
Is {a} or {b} larger?
Compare the numbers {a} and {b}.
""",
    weight=3,
)
def compare(r):
    a, b = r.sample(range(1, 500), 2)
    return {"a": a, "b": b}, "", f"{max(a, b)} is larger than {min(a, b)}.", f"{a} {b}"


@task(
    "units",
    """
Convert {n} {unit} to {small}.
How many {small} are {n} {unit}?
Change {n} {unit} into {small}.
""",
    """
How many {small} are there in {n} {unit}?
Write {n} {unit} in {small}.
""",
    weight=3,
)
def units(r):
    unit, small, factor = r.pick(
        [
            ("kilometres", "metres", 1000),
            ("metres", "centimetres", 100),
            ("hours", "minutes", 60),
            ("kilograms", "grams", 1000),
            ("litres", "millilitres", 1000),
            ("weeks", "days", 7),
        ]
    )
    n = r.between(2, 9) if factor in (60, 7) else r.between(2, 60)
    return {"n": n, "unit": unit, "small": small}, "", f"{n} {unit} are {n * factor} {small}.", None


@task(
    "date",
    """
Write the date {d} in words.
Change {d} to a date with the name of the month.
Write out the date {d}.
""",
    """
Write {d} with the name of the month.
Write the date {d} out in words.
""",
    weight=3,
)
def date(r):
    y, m, d = r.between(1900, 2029), r.between(1, 12), r.between(1, 28)
    text = f"{y}-{m:02}-{d:02}"
    return {"d": text}, "", f"{d} {W.MONTHS[m - 1]} {y}", text


@task(
    "next in order",
    """
Which {what} come after {x}?
Name the next three {what} after {x}.
Continue with the next {what}: {x}
""",
    """
Which three {what} come next after {x}?
Name the {what} that come after {x}.
""",
    weight=2,
)
def next_in_order(r):
    what, names = r.pick([("days", W.WEEKDAYS), ("months", W.MONTHS)])
    i = r.below(len(names))
    ending, output = list_answer(r, [names[(i + k) % len(names)] for k in (1, 2, 3)])
    return {"what": what, "x": names[i], "": ending}, "", output, None
