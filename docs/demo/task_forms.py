"""Tasks whose answers put values into a form: JSON, CSV, notes, stories, code.

SPDX-License-Identifier: Apache-2.0

How to use: import for its effect, which is to register the tasks; the first phrasings of a task are those
for training, the second those for the scored parts.
"""

import json

import words as W
from task_base import task, word_list


def person(r):
    return {
        "name": r.pick(W.PEOPLE),
        "age": r.between(18, 79),
        "job": r.pick(W.JOBS),
        "city": r.pick(W.CITIES),
    }


def about(p):
    return f"{p['name']} is a {p['age']}-year-old {p['job']} from {p['city']}."


@task(
    "to JSON",
    """
Write the data as JSON.
Turn this text into a JSON object.
Make a JSON object with name, age, job and city.
Convert the text to JSON.
""",
    """
Write this as a JSON object.
Turn the data into JSON.
""",
    weight=5,
)
def to_json(r):
    p = person(r)
    return {}, about(p), json.dumps(p), about(p)


@task(
    "from JSON",
    """
Describe this person in a sentence.
Turn the JSON object into a sentence.
Write the JSON data as a sentence.
""",
    """
Write a sentence from this JSON object.
Describe the person in one sentence.
""",
    weight=4,
)
def from_json(r):
    p = person(r)
    return {}, json.dumps(p), about(p), about(p)


@task(
    "to CSV",
    """
Write the data as CSV.
Make a CSV table of these people.
Turn the text into CSV with a header.
""",
    """
Write this as CSV.
Make CSV from the text.
""",
    weight=4,
)
def to_csv(r):
    people = [person(r) for _ in range(r.between(1, 3))]
    text = " ".join(map(about, people))
    return {}, text, "name,age,job,city\n" + "\n".join(",".join(map(str, p.values())) for p in people), text


@task(
    "question about text",
    """
{q}
Read the text. {q}
Answer from the text: {q}
""",
    """
Use the text to answer: {q}
Look at the text. {q}
""",
    weight=5,
)
def question(r):
    people = [person(r) for _ in range(r.between(1, 2))]
    p = r.pick(people)
    q, answer = r.pick(
        [
            (f"How old is {p['name']}?", f"{p['name']} is {p['age']} years old."),
            (f"Where does {p['name']} come from?", f"{p['name']} comes from {p['city']}."),
            (f"What is the job of {p['name']}?", f"{p['name']} works as a {p['job']}."),
            (f"Where does {p['name']} live?", f"{p['name']} lives in {p['city']}."),
        ]
    )
    text = " ".join(map(about, people))
    return (
        {"q": q},
        text,
        answer,
        text if people[0]["name"] != people[-1]["name"] or len(people) == 1 else text + q,
    )


@task(
    "note",
    """
Write a short note to {name} to thank for the {x}.
Thank {name} for the {x} in a short note.
Write a thank-you note to {name} for a {x}.
""",
    """
Write {name} a note of thanks for the {x}.
Write a short note that thanks {name} for the {x}.
""",
    weight=4,
)
def note(r):
    name, x = r.pick(W.PEOPLE), f"{r.pick(W.ADJECTIVES)} {r.pick(W.NOUNS)}"
    return (
        {"name": name, "x": x},
        "",
        (
            f"Dear {name},\nthank you very much for the {x}. I was glad to get the {x}, and I hope "
            f"to see you soon.\nBest wishes"
        ),
        f"{name} {x}",
    )


@task(
    "invitation",
    """
Invite {name} to the {place} on {day} at {h} o'clock.
Write an invitation for {name}: {place}, {day}, {h} o'clock.
Ask {name} to come to the {place} on {day} at {h} o'clock.
""",
    """
Write to {name} and invite to the {place} on {day} at {h} o'clock.
Invite {name}: {day}, {h} o'clock, {place}.
""",
    weight=4,
)
def invitation(r):
    f = {
        "name": r.pick(W.PEOPLE),
        "place": r.pick(W.PLACES),
        "day": r.pick(W.WEEKDAYS),
        "h": r.between(1, 12),
    }
    return (
        f,
        "",
        (
            "Dear {name},\nplease come to the {place} on {day} at {h} o'clock. "
            "We will wait for you in the {place}."
        ).format(**f),
        repr(f),
    )


@task(
    "story",
    """
Write a short story about {name}, a {a} and a {b}.
Tell a story with {name}, a {a} and a {b}.
Make up a short story: {name}, {a}, {b}.
""",
    """
Tell me a short story about {name}, a {a} and a {b}.
Write a story with {name}, a {a} and a {b}.
""",
    weight=4,
)
def story(r):
    a, b = r.sample(W.NOUNS, 2)
    f = {"name": r.pick(W.PEOPLE), "a": a, "b": b}
    return (
        f,
        "",
        (
            "One day {name} went out to look for a {a}. There was no {a}, but on the way {name} found a {b}. "
            "{name} took the {b} home and forgot the {a}."
        ).format(**f),
        repr(f),
    )


CODE = {
    "the sum of": ("{a} + {b}", "Python JavaScript C"),
    "the difference of": ("{a} - {b}", "Python JavaScript C"),
    "the product of": ("{a} * {b}", "Python JavaScript C"),
    "the remainder of": ("{a} % {b}", "Python JavaScript C"),
}
CODE_FORMS = {
    "Python": "def {f}({a}, {b}):\n    return {e}",
    "JavaScript": "function {f}({a}, {b}) {{\n    return {e};\n}}",
    "C": "int {f}(int {a}, int {b})\n{{\n    return {e};\n}}",
}


@task(
    "code",
    """
Write a {lang} function {f} that returns {what} {a} and {b}.
Define a function {f} in {lang}. It returns {what} {a} and {b}.
Program {what} {a} and {b} as a {lang} function named {f}.
""",
    """
Write a function {f} in {lang} that gives {what} {a} and {b}.
In {lang}, define the function {f}, which returns {what} {a} and {b}.
""",
    weight=5,
)
def code(r):
    what, lang = r.pick(list(CODE)), r.pick(list(CODE_FORMS))
    a, b = r.sample("x y a b n m width height left right first second low high".split(), 2)
    f = r.pick(["get", "make", "calc", "find"]) + "_" + r.pick(W.NOUNS)
    e = CODE[what][0].format(a=a, b=b)
    return (
        {"lang": lang, "f": f, "what": what, "a": a, "b": b},
        "",
        CODE_FORMS[lang].format(f=f, a=a, b=b, e=e),
        f + a + b,
    )


@task(
    "code loop",
    """
Write a Python loop that prints the numbers from {a} to {b}.
Print the numbers from {a} to {b} in Python.
Use Python to print {a} to {b}.
""",
    """
Write Python code that prints all numbers from {a} to {b}.
In Python, print the numbers {a} to {b}.
""",
    weight=2,
)
def code_loop(r):
    a = r.between(0, 50)
    b = a + r.between(3, 90)
    v = r.pick("i n k".split())
    return (
        {"a": a, "b": b, "": f"Call the variable {v}."},
        "",
        f"for {v} in range({a}, {b + 1}):\n    print({v})",
        f"{a} {b}",
    )


@task(
    "code list",
    """
Write a Python list named {v} with these items.
Define the Python list {v} from the input.
Make a list called {v} in Python.
""",
    """
Make a Python list {v} of these items.
Write the items as a Python list named {v}.
""",
    weight=3,
)
def code_list(r):
    items, v = word_list(r, 2, 5), r.pick("words items names data things values".split())
    text = ", ".join(items)
    return {"v": v}, text, f"{v} = " + json.dumps(items, ensure_ascii=False), text
