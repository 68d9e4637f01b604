#!/usr/bin/env python3
"""Makes the demonstration corpus, the held-out records and the hashes of the training records.

SPDX-License-Identifier: Apache-2.0

usage: make_corpus.py [--seed N] [--out FOLDER]   writes the three lists of records and training_hashes.bin
       make_corpus.py --check [--out FOLDER]      makes the training records again; 1: one was scored
       make_corpus.py --training N                prints the first N training records, one JSON object a line
       make_corpus.py --list-hashes               prints the hash of every training record, in their order

Plain Python 3, no packages. A hash is the CRC-32 (as zlib computes it) of the UTF-8 bytes of the
instruction, a byte 0x1F and the input; training_hashes.bin holds the hashes of all training records as
little-endian 32-bit numbers, ascending, each once. A record whose hash is not among them shares its prompt,
and so also prompt and answer, with no training record.
--seed changes the scored parts only; the training records belong to the model and their seed is in
tasks.py.
"""

import argparse
import json
import os
import struct
import sys
import zlib

import tasks
import words as W

CORPUS_RECORDS = 1200
HELDOUT_RECORDS = 400
DEFECTS = {
    "swapped": 40,
    "truncated": 20,
    "empty": 8,
    "one word": 14,
    "wrong language": 16,
    "off topic": 14,
    "noise": 10,
    "echo": 10,
    "repeated": 10,
    "duplicate": 20,
    "long answer": 6,
    "long prompt": 4,
}

OFF_TOPIC = [
    "I am sorry, but I cannot help with that.",
    "This is an interesting question with many sides to it.",
    "Please see the attached file for more information.",
    "As soon as possible. Thank you for your patience.",
    "The weather is nice today, and the birds are singing.",
    "Sure! Let me know if you need anything else.",
]
WRONG_LANGUAGE = [
    "No lo sé, pero mañana te lo digo con mucho gusto.",
    "Je ne sais pas encore, il faut demander à la voisine.",
    "Das weiß ich leider nicht, aber ich frage gern nach.",
    "Я пока не знаю, спроси меня завтра утром.",
    "Δεν το ξέρω ακόμα, ρώτησέ με αύριο το πρωί.",
    "Bunu henüz bilmiyorum, yarın sabah tekrar sor.",
    "我还不知道，请明天早上再问我。",
    "まだ分かりません。明日の朝にもう一度聞いてください。",
]
ONE_WORD = ["Yes.", "OK", "No", "Done.", "Maybe", "Thanks"]


def prompt_key(record):
    return record["instruction"] + "\x1f" + record["input"]


def prompt_hash(record):
    return zlib.crc32(prompt_key(record).encode("utf-8"))


def training_records():
    return (tasks.make_record(tasks.SEED, "training", i) for i in range(tasks.TRAINING_RECORDS))


def clean_records(seed, part, count, seen):
    """`count` records of a scored part whose prompts are not yet in `seen`, which takes them up."""
    records, index = [], 0
    while len(records) < count:
        record = tasks.make_record(seed, part, index)
        index += 1
        if prompt_key(record) not in seen:
            seen.add(prompt_key(record))
            records.append(record)
    return records


# ---------------------------------------------------------------- defects


def with_answer(record, output, kind):
    return {**record, "output": output, "kind": kind}


def cut_short(r, text):
    """The first 30 to 60 % of the characters."""
    return text[: max(2, len(text) * r.between(30, 60) // 100)]


def noise(r):
    letters = "abcdefghijklmnopqrstuvwxyz0123456789#%&*"
    return " ".join("".join(r.pick(letters) for _ in range(r.between(3, 9))) for _ in range(r.between(5, 12)))


def long_list(r, count):
    return ", ".join(r.pick(W.NOUNS) for _ in range(count))


def single_defect(r, record, kind):
    """The record with one defect; the kinds that need two records are made in defective_records."""
    answer = record["output"]
    if kind == "long answer":
        first = r.between(100, 600)
        return {
            "instruction": f"Write the numbers from {first} to {first + 199}.",
            "input": "",
            "output": ", ".join(str(first + i) for i in range(200)),
            "kind": kind,
        }
    if kind == "long prompt":
        text = long_list(r, 520)
        return {
            "instruction": "Which word is the last one?",
            "input": text,
            "output": f"The last item is {text.split(', ')[-1]}.",
            "kind": kind,
        }
    make = {
        "truncated": lambda: cut_short(r, answer),
        "empty": lambda: "",
        "one word": lambda: r.pick(ONE_WORD),
        "wrong language": lambda: r.pick(WRONG_LANGUAGE),
        "off topic": lambda: r.pick(OFF_TOPIC),
        "noise": lambda: noise(r),
        "echo": lambda: record["instruction"],
        "repeated": lambda: "\n".join([answer] * 4),
    }
    return with_answer(record, make[kind](), kind)


def swapped_pairs(records):
    """Neighbours of different kinds exchange their answers."""
    half = len(records) // 2
    first, second = records[:half], records[half:]
    shift = next(
        s
        for s in range(half)
        if all(a["kind"] != second[(i + s) % half]["kind"] for i, a in enumerate(first))
    )
    second = [second[(i + shift) % half] for i in range(half)]
    return [
        with_answer(x, y["output"], "swapped") for a, b in zip(first, second) for x, y in ((a, b), (b, a))
    ]


def make_scored(seed):
    """(corpus, held-out records)"""
    seen, r = set(), tasks.Rng(seed, "corpus order")
    heldout = clean_records(seed, "heldout", HELDOUT_RECORDS, seen)
    clean = clean_records(seed, "corpus", CORPUS_RECORDS - DEFECTS["duplicate"], seen)
    corpus, used = [], 0
    for kind, number in DEFECTS.items():
        part = clean[used : used + number]
        if kind == "swapped":
            corpus += swapped_pairs(part)
        elif kind == "duplicate":
            corpus += [
                {**record, "kind": "duplicate"} for record in r.sample(clean[sum(DEFECTS.values()) :], number)
            ]
            continue
        else:
            corpus += [single_defect(r, record, kind) for record in part]
        used += number
    return r.shuffle(corpus + clean[used:]), heldout


def exchange_prompts(seed, records):
    """The same answers, each with the instruction and the input of a record of another kind."""
    r = tasks.Rng(seed, "exchange")
    order = r.shuffle(range(len(records)))
    while True:
        bad = [i for i, j in enumerate(order) if records[i]["kind"] == records[j]["kind"]]
        if not bad:
            return [
                {**records[j], "output": record["output"], "kind": record["kind"]}
                for record, j in zip(records, order)
            ]
        i, k = bad[0], r.below(len(records))
        order[i], order[k] = order[k], order[i]


# ---------------------------------------------------------------- files


def write_json(folder, name, records):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as f:
        f.write(json.dumps(records, ensure_ascii=False, indent=4) + "\n")


def write_all(folder, seed):
    hashes = sorted({prompt_hash(record) for record in training_records()})
    corpus, heldout = make_scored(seed)
    known = set(hashes)
    if any(prompt_hash(record) in known for record in corpus + heldout):
        sys.exit("make_corpus.py: a scored record has the hash of a training record; take another --seed")
    write_json(folder, "corpus.json", corpus)
    write_json(folder, "heldout.json", heldout)
    write_json(folder, "heldout_shuffled.json", exchange_prompts(seed, heldout))
    with open(os.path.join(folder, "training_hashes.bin"), "wb") as f:
        f.write(struct.pack(f"<{len(hashes)}I", *hashes))
    print(
        f"{len(corpus)} records in corpus.json, {len(heldout)} in heldout.json, "
        f"{len(hashes)} training prompts"
    )


def check_all(folder):
    """No scored prompt occurs in a training prompt, and the hashes on disk are the training records'."""
    training = [prompt_key(record) for record in training_records()]
    hashes = sorted({zlib.crc32(key.encode("utf-8")) for key in training})
    with open(os.path.join(folder, "training_hashes.bin"), "rb") as f:
        wrong = (
            []
            if f.read() == struct.pack(f"<{len(hashes)}I", *hashes)
            else ["training_hashes.bin: not the training records' hashes"]
        )
    known, text = set(hashes), "\x1e".join(training)
    for name in ("corpus.json", "heldout.json"):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            records = json.load(f)
        wrong += [
            f"{name}: record {i} was in training"
            for i, record in enumerate(records)
            if prompt_hash(record) in known or prompt_key(record) in text
        ]
        print(f"{name}: {len(records)} records against {len(training)} training records")
    print("\n".join(wrong) if wrong else "no scored record was in training")
    return 1 if wrong else 0


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(
        description="make the demonstration corpus, or check it against the training records"
    )
    ap.add_argument("--seed", type=int, default=tasks.SEED)
    ap.add_argument("--out", default=here, metavar="FOLDER")
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--training", type=int, metavar="N")
    ap.add_argument("--list-hashes", action="store_true")
    a = ap.parse_args()
    if a.check:
        return check_all(a.out)
    if a.training is not None:
        for i in range(a.training):
            print(json.dumps(tasks.make_record(tasks.SEED, "training", i), ensure_ascii=False))
    elif a.list_hashes:
        for record in training_records():
            print(f"{prompt_hash(record):08x}")
    else:
        write_all(a.out, a.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
