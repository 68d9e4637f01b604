"""Tasks whose answers follow from a list or text in the record: copying, sorting, counting, letters.

SPDX-License-Identifier: Apache-2.0

How to use: import for its effect, which is to register the tasks; the first phrasings of a task are those
for training, the second those for the scored parts.
"""

import words as W
from task_base import list_record, number_list, phrase, task, word_list

# ---------------------------------------------------------------- lists


@task(
    "copy",
    """
Repeat the text.
Copy the input exactly.
Write the same text again.
Say this again.
Copy this line without changes.
Repeat after me.
Return the input unchanged.
""",
    """
Repeat this text exactly.
Copy the text without any changes.
Write the input again, unchanged.
""",
    weight=8,
)
def copy(r):
    kind = r.below(4)
    if kind == 0:
        text = phrase(r) + "."
    elif kind == 1:
        text = " ".join(word_list(r, 4, 10))
    elif kind == 2:
        text = " ".join(map(str, number_list(r, 4, 8, 1000)))
    else:
        text = ", ".join(word_list(r, 4, 8))
    return {}, text, text, text


@task(
    "copy twice",
    """
Write the text twice, on two lines.
Repeat the input two times.
Copy this line twice.
Say this two times.
""",
    """
Copy the text two times.
Write this line twice.
""",
    weight=3,
)
def copy_twice(r):
    text = phrase(r) + "." if r.chance(50) else " ".join(word_list(r, 2, 5))
    return {}, text, text + "\n" + text, text


@task(
    "reverse",
    """
Reverse the list.
Write the items in reverse order.
Turn the list around.
Put the words in the opposite order.
List these from last to first.
Give the items backwards.
Reverse the order of the items.
""",
    """
Write the list in reverse order.
Turn the order of these items around.
Reverse the words.
""",
    weight=6,
)
def reverse(r):
    items = word_list(r, 3, 6)
    return list_record(r, items, items[::-1])


@task(
    "sort words",
    """
Sort the words alphabetically.
Put the words in alphabetical order.
Sort these words from A to Z.
Arrange the list alphabetically.
Order the words by the alphabet.
Alphabetise the list.
""",
    """
Arrange these words in alphabetical order.
Sort the list from A to Z.
Put this list in order, alphabetically.
""",
    weight=5,
)
def sort_words(r):
    items = r.sample(r.pick([W.NOUNS, W.NOUNS, W.PEOPLE, W.CITIES]), r.between(3, 6))
    return list_record(r, items, sorted(items))


@task(
    "sort numbers",
    """
Sort the numbers {way}.
Put the numbers in {way2} order.
Arrange these numbers {way}.
Order the numbers {way}.
Sort in {way2} order.
""",
    """
Put these numbers in order {way}.
Arrange the numbers in {way2} order.
""",
    weight=5,
)
def sort_numbers(r):
    items, down = number_list(r), r.chance(40)
    fields, text, output, key = list_record(r, items, [str(v) for v in sorted(items, reverse=down)])
    return (
        {
            **fields,
            "way": "from largest to smallest" if down else "from smallest to largest",
            "way2": "descending" if down else "ascending",
        },
        text,
        output.replace('"', ""),
        key,
    )


@task(
    "count",
    """
How many items are in the list?
Count the words.
Count the items and repeat them.
How many words are there?
Tell me the number of items.
Count these.
""",
    """
How many words are in this list?
Count the items in the list.
What is the number of words here?
""",
    weight=4,
)
def count(r):
    items = word_list(r, 2, 9)
    text = ", ".join(items)
    return {}, text, f"There are {W.SMALL[len(items)]} items: {', '.join(items[:-1])} and {items[-1]}.", text


@task(
    "pick by place",
    """
What is the {nth} item?
Name the {nth} item of the list.
Which word comes {nth}?
Give me the {nth} word.
Tell me the {nth} item of this list.
""",
    """
Which item is the {nth}?
Name the {nth} word in the list.
What is the {nth} word?
""",
    weight=4,
)
def pick_by_place(r):
    items = word_list(r, 3, 6)
    place = r.below(len(items) + 1)
    nth = "last" if place == len(items) else W.ORDINALS[place]
    item = items[-1] if place == len(items) else items[place]
    text = ", ".join(items)
    return {"nth": nth}, text, f"The {nth} item is {item}.", text


@task(
    "extreme",
    """
What is the {which} number?
Find the {which} of these numbers.
Name the {which} number in the list.
Which number is the {which}?
Tell me the {which} number.
""",
    """
Which of the numbers is the {which}?
Find the {which} number.
Give the {which} number of the list.
""",
    weight=4,
)
def extreme(r):
    items, most = number_list(r, 3, 7, 1000), r.chance(50)
    which = r.pick(["largest", "greatest", "biggest"] if most else ["smallest", "least", "lowest"])
    text = ", ".join(map(str, items))
    return (
        {"which": which},
        text,
        f"The {'largest' if most else 'smallest'} number is {max(items) if most else min(items)}.",
        text,
    )


@task(
    "remove",
    """
Remove the word {w} from the list.
Take {w} out of the list.
Delete {w} from these words.
Write the list without {w}.
Leave out {w}.
""",
    """
Remove {w} from this list.
Write these words without {w}.
Take the word {w} away.
""",
    weight=4,
)
def remove(r):
    items = word_list(r, 4, 7)
    gone = r.pick(items)
    fields, text, output, key = list_record(r, items, [v for v in items if v != gone])
    return {**fields, "w": gone}, text, output, key + gone


@task(
    "replace",
    """
Replace {a} with {b}.
Change the word {a} to {b}.
Write {b} instead of {a}.
Put {b} in the place of {a}.
Swap {a} for {b} in the text.
""",
    """
Replace the word {a} by {b}.
Change {a} to {b} in the text.
Use {b} instead of {a}.
""",
    weight=4,
)
def replace(r):
    if r.chance(50):
        items = word_list(r, 3, 6)
        text, a = ", ".join(items), r.pick(items)
    else:
        text = phrase(r) + "."
        a = r.pick(
            [v for v in text.rstrip(".").split()[1:] if v not in ("is", "in", "the", "a", "near", "and")]
        )
    b = r.pick(W.NOUNS)
    output = (
        ", ".join(b if v == a else v for v in text.split(", "))
        if ", " in text
        else " ".join(b + v[len(a) :] if v.rstrip(".") == a else v for v in text.split(" "))
    )
    return {"a": a, "b": b}, text, output, text


@task(
    "add",
    """
Add {w} to the end of the list.
Append {w}.
Put {w} at the end.
Extend the list by {w}.
""",
    """
Append {w} to this list.
Add the word {w} at the end.
""",
    weight=3,
)
def add(r):
    items, w = word_list(r, 3, 6), r.pick(W.NOUNS)
    fields, text, output, key = list_record(r, items, items + [w])
    return {**fields, "w": w}, text, output, key


@task(
    "filter numbers",
    """
Keep only the {what} numbers.
Which of these numbers are {what}?
List the numbers that are {what}.
Write down every number that is {what}.
Filter the list: {what} numbers only.
""",
    """
List only the {what} numbers.
Which numbers are {what}?
Keep the numbers that are {what}.
""",
    weight=4,
)
def filter_numbers(r):
    items, mark = number_list(r, 5, 9), r.between(3, 7) * 10
    items = items + [mark + 1, mark - 2]
    what, test = r.pick(
        [
            ("even", lambda v: v % 2 == 0),
            ("odd", lambda v: v % 2 == 1),
            (f"above {mark}", lambda v: v > mark),
            (f"below {mark}", lambda v: v < mark),
        ]
    )
    items = r.shuffle(dict.fromkeys(items))
    fields, text, output, key = list_record(r, items, [str(v) for v in items if test(v)])
    return {**fields, "what": what}, text, output.replace('"', ""), key


@task(
    "filter words",
    """
Which of these words name {kind}?
Keep only the {kind}.
List the {kind} in this list.
Write down the {kind}.
Find all {kind} among these words.
""",
    """
List only the {kind}.
Which words in the list name {kind}?
Find the {kind} in the list.
""",
    weight=5,
)
def filter_words(r):
    a, b = r.sample(PLURAL_CATEGORIES, 2)
    items = r.shuffle(r.sample(W.CATEGORIES[a], r.between(2, 4)) + r.sample(W.CATEGORIES[b], r.between(2, 3)))
    fields, text, output, key = list_record(r, items, [v for v in items if W.CATEGORY_OF[v] == a])
    return {**fields, "kind": plural_category(a)}, text, output, key


PLURAL_CATEGORIES = [c for c in W.CATEGORIES if c not in ("clothing", "furniture", "weather")]


def plural_category(name):
    return name + "s"


@task(
    "categorise",
    """
Say which kind of thing each word names.
Give the category of each word.
Put each word in its category.
Classify the words.
For each word write its category.
""",
    """
Classify each word.
Write the category of every word.
""",
    weight=5,
)
def categorise(r):
    items = r.sample(W.NOUNS, r.between(2, 5))
    text = ", ".join(items)
    return {}, text, "\n".join(f"{v}: {W.CATEGORY_OF[v]}" for v in items), text


@task(
    "unique",
    """
Remove the repeated items.
Write each item only once.
Delete the duplicates.
Drop every repetition.
""",
    """
Remove the duplicates from the list.
Write every item once.
""",
    weight=3,
)
def unique(r):
    items = word_list(r, 3, 5)
    full = r.shuffle(items + r.sample(items, 2))
    return list_record(r, full, list(dict.fromkeys(full)))


@task(
    "interleave",
    """
Make pairs of the two lists.
Join the two lists item by item.
Pair the items of both lists.
""",
    """
Join both lists in pairs.
Pair the two lists item by item.
""",
    weight=3,
)
def interleave(r):
    n = r.between(2, 4)
    a, b = r.sample(W.NOUNS, n), r.sample(r.pick([W.PEOPLE, W.ADJECTIVES, W.CITIES]), n)
    text = ", ".join(a) + "\n" + ", ".join(b)
    return {}, text, "\n".join(f"{x} and {y}" for x, y in zip(a, b)), text


# ---------------------------------------------------------------- letters


@task(
    "spell",
    """
Spell the word {w}.
How do you spell {w}?
Write the letters of {w} one by one.
Spell {w} with hyphens.
""",
    """
How is {w} spelled?
Spell out the word {w}.
""",
    weight=4,
)
def spell(r):
    w = r.pick(W.NOUNS)
    return {"w": w}, "", "-".join(w), None


@task(
    "capitals",
    """
Write the text in capital letters.
Change the words to upper case.
Write everything in capitals.
""",
    """
Put the words in upper case.
Write this text in capitals.
""",
    weight=3,
)
def capitals(r):
    text = " ".join(r.sample(W.NOUNS, r.between(2, 4)))
    return {}, text, text.upper(), text


@task(
    "initials",
    """
Write the first letter of each word.
Give the initial of every word.
Take the first letters of these words.
""",
    """
Write the initial of each word.
Take the first letter of every word.
""",
    weight=3,
)
def initials(r):
    items = r.sample(W.NOUNS, r.between(3, 7))
    fields, text, output, key = list_record(r, items, [v[0] for v in items])
    return fields, text, output, key
