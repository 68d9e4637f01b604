"""The records of the demonstration: make_record(seed, part, index).

SPDX-License-Identifier: Apache-2.0

How to use: the same three values give the same record on every machine and Python 3 version. The parts are
"training" and any other name (a scored part).
Two things keep the scored parts apart from training: every task has phrasings of its own for each of the
two, and where the values of a record are drawn from a large set, one value in eight (by CRC-32) belongs to
the scored parts alone.
"""

import zlib

import task_lists  # noqa: F401 (each registers its tasks; their order decides the records)
import task_facts  # noqa: F401
import task_forms  # noqa: F401
from task_base import TASKS, Rng

SEED = 20240607
TRAINING_RECORDS = 98304

PREFIXES = {
    "training": [""] * 14 + ["Please ", "Your task: ", "Task: ", "Now ", "Next: ", "Kindly "],
    "scored": [""] * 14 + ["Here is a task. ", "Please ", "Your task: "],
}
DECK = [t for t in TASKS for _ in range(t[3])]


def lower_first(text):
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def draw_values(r, kind, maker):
    """Values of the part that r is for."""
    while True:
        fields, text, output, values = maker(r)
        if values is None or (zlib.crc32((kind + values).encode()) % 8 == 0) == r.scored:
            return fields, text, output


def make_record(seed, part, index):
    """Record number `index` of a part, without any other record being made."""
    r = Rng(seed, part, index)
    r.scored = part != "training"
    kind, training, scored, _, maker = r.pick(DECK)
    fields, text, output = draw_values(r, kind, maker)
    instruction = r.pick(scored if r.scored else training).format(**fields)
    prefix = r.pick(PREFIXES["scored" if r.scored else "training"])
    if prefix.endswith((". ", ": ")):
        instruction = prefix + instruction
    elif prefix:
        instruction = prefix + lower_first(instruction)
    if fields.get(""):
        instruction += " " + fields[""]
    if text and "\n" not in text and r.chance(30):
        instruction, text = f"{instruction}\n{text}" if r.chance(50) else f"{instruction} {text}", ""
    return {"instruction": instruction, "input": text, "output": output, "kind": kind}
