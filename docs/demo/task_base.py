"""What every task is made with: the random numbers, the register of tasks, values and forms of answers.

SPDX-License-Identifier: Apache-2.0

How to use: only the task_*.py files register tasks, and the order in which they do decides the records;
everything else goes through tasks.py.
"""

import json
import zlib

import words as W

TASKS = []


class Rng:
    """SplitMix64 (Steele, Lea and Flood 2014), so that records do not depend on the Python version."""

    def __init__(self, *names):
        self.state = zlib.crc32(repr(names).encode()) | zlib.crc32(repr(names[::-1]).encode()) << 32
        self.scored = False

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return z ^ z >> 31

    def below(self, n):
        return (self.next() >> 11) % n

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def chance(self, percent):
        return self.below(100) < percent

    def pick(self, items):
        return items[self.below(len(items))]

    def shuffle(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items

    def sample(self, items, n):
        return self.shuffle(items)[:n]


def task(kind, training, scored, weight=4):
    """Registers a maker: it returns (fields of the phrasing, input, output, values that decide the part
    or None)."""

    def register(maker):
        lines = [[line.strip() for line in text.strip().split("\n")] for text in (training, scored)]
        assert not set(lines[0]) & set(lines[1]), kind
        TASKS.append((kind, lines[0], lines[1], weight, maker))
        return maker

    return register


# ---------------------------------------------------------------- values and forms of answers

SYLLABLES = "ba ko mi ru te za lo ni pe du fa gi sho vu wa ke ly mo ra si".split()

# form: (phrasings for training, phrasings for the scored parts, what it makes of a list)
LIST_FORMS = {
    "commas": (
        ["", "", "", "Separate the items with commas."],
        ["", "", "", "Put commas between the items."],
        ", ".join,
    ),
    "lines": (
        ["Write one item per line.", "Put each item on its own line.", "One per line."],
        ["Use one line per item.", "Put one item on each line."],
        "\n".join,
    ),
    "numbered": (
        ["Number the items.", "Answer as a numbered list.", "Use a numbered list."],
        ["Give a numbered list."],
        lambda x: "\n".join(f"{i}. {v}" for i, v in enumerate(x, 1)),
    ),
    "json": (
        ["Answer as a JSON list.", "Give the answer as JSON.", "Use a JSON array."],
        ["Write the answer as a JSON array."],
        lambda x: json.dumps(x, ensure_ascii=False),
    ),
    "bullets": (
        ["Use bullet points.", "Answer with bullet points.", "Answer as a bullet list."],
        ["Write bullet points."],
        lambda x: "\n".join("- " + v for v in x),
    ),
    "semicolons": (
        ["Separate the items with semicolons.", "Use semicolons between the items."],
        ["Put semicolons between the items."],
        "; ".join,
    ),
}


def list_answer(r, items):
    """An ending for the instruction, and the items in the form it asks for."""
    form = "commas" if r.chance(55) else r.pick(list(LIST_FORMS))
    training, scored, join = LIST_FORMS[form]
    return r.pick(scored if r.scored else training), join(items)


def made_up_word(r):
    return "".join(r.pick(SYLLABLES) for _ in range(r.between(2, 3)))


def word_list(r, low=3, high=7):
    n, source = r.between(low, high), r.below(20)
    if source < 11:
        return r.sample(W.NOUNS, n)
    if source < 13:
        return r.sample(W.PEOPLE, n)
    if source < 14:
        return r.sample(W.CITIES, n)
    if source < 17:
        return r.sample(W.SCRIPTS[r.pick(W.LANGUAGES)], n)
    return [made_up_word(r) for _ in range(n)]


def number_list(r, low=3, high=7, top=100):
    return r.sample(range(1, top), r.between(low, high))


def phrase(r):
    """A short English sentence without its full stop."""
    noun = lambda: f"{r.pick(W.ADJECTIVES)} {r.pick(W.NOUNS)}"
    kind = r.below(4)
    if kind == 0:
        return f"The {noun()} is in the {r.pick(W.PLACES)}"
    if kind == 1:
        return f"{r.pick(W.PEOPLE)} {r.pick(W.VERBS_PAST)} the {noun()}"
    if kind == 2:
        return f"A {noun()} stood near the {noun()}"
    names, verb = f"{r.pick(W.PEOPLE)} and {r.pick(W.PEOPLE)}", r.pick(W.VERBS_PAST)
    return f"{names} {verb} a {r.pick(W.NOUNS)} in {r.pick(W.CITIES)}"


def list_record(r, items, result):
    """The usual record over a list: input "a, b, c" and an answer in one of the forms."""
    ending, output = list_answer(r, result)
    text = ", ".join(map(str, items))
    return {"": ending}, text, output, text
