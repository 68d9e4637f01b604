#!/usr/bin/env python3
"""Scores the held-out records and the corpus with transformers in float64, and writes the reference losses.

SPDX-License-Identifier: Apache-2.0

usage: check_model.py [--golden] [--model FOLDER] [--threads N]

Needs torch and transformers. Prints the figures of README.md: medians, the share of records whose IFD rises
when the prompts (or the instructions alone) are exchanged, and both by kind. --golden writes golden.jsonl
and golden-cherry-alpaca.jsonl: the first 40 held-out records, one JSON object a line, with
  n_cond       tokens of the conditioned text after truncation
  first_cond   its first answer token
  k_cond       how many of its tokens are scored
  loss_cond    their mean loss in nats
  n_direct, first_direct, k_direct, loss_direct
               the same for the direct text (first_direct 0: the whole text is scored, except its first
               token, which nothing predicts)
  ifd_ppl      exp(loss_cond - loss_direct)
  ids_cond     token ids of the conditioned text
The weights are the bf16 numbers of model.safetensors and the arithmetic is float64, but transformers computes
norms and rotary angles in float32.
"""

import argparse
import json
import math
import os
import statistics

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ALPACA = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{i}\n\n### Response:"
)
ALPACA_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{i}\n\n### Input:\n{n}\n\n### Response:"
)
# profile: prompt without and with input, lead of the direct text, constant of the direct text's window
PROFILES = {
    "superfiltering": ("{i}\n", "{i}\n{n}\n", "", 1),
    "cherry-alpaca": (ALPACA, ALPACA_INPUT, "### Response:", 4),
}


class Scorer:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float64, attn_implementation="eager"
        ).eval()
        self.window = self.model.config.max_position_embeddings

    def ids(self, text):
        return self.tokenizer.encode(text)

    @torch.no_grad()
    def part(self, ids, first):
        """(number of scored tokens, mean loss) of the ids from `first` on."""
        start = max(first, 1)
        if start >= len(ids):
            return 0, float("nan")
        logits = self.model(torch.tensor([ids])).logits[0, start - 1 : -1]
        each = torch.nn.functional.cross_entropy(
            logits.double(), torch.tensor(ids[start:]), reduction="none"
        ).tolist()
        return len(each), math.fsum(each) / len(each)

    def score(self, record, profile="superfiltering"):
        plain, with_input, lead, constant = PROFILES[profile]
        prompt = (with_input if record["input"] else plain).format(i=record["instruction"], n=record["input"])
        head = len(self.ids(prompt))
        cond = self.ids(prompt + record["output"])[: self.window]
        direct = self.ids(lead + record["output"])[: self.window - min(head, self.window) + constant]
        first = len(self.ids(lead)) if lead else 0
        k_cond, loss_cond = self.part(cond, head)
        k_direct, loss_direct = self.part(direct, first)
        return {
            "n_cond": len(cond),
            "first_cond": head,
            "k_cond": k_cond,
            "loss_cond": loss_cond,
            "n_direct": len(direct),
            "first_direct": first,
            "k_direct": k_direct,
            "loss_direct": loss_direct,
            "ifd_ppl": math.exp(loss_cond - loss_direct),
            "ids_cond": cond,
        }


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return json.load(f)


def write_golden(scorer, profile, name, records):
    with open(os.path.join(HERE, name), "w", encoding="utf-8", newline="\n") as f:
        for i, record in enumerate(records):
            f.write(json.dumps({"index": i, **scorer.score(record, profile)}) + "\n")


def median(values):
    finite = [v for v in values if math.isfinite(v)]
    return statistics.median(finite) if finite else float("nan")


def by_kind(records, *columns):
    """Kind -> the rows of its records."""
    table = {}
    for record, *row in zip(records, *columns):
        table.setdefault(record["kind"], []).append(row)
    return table


def print_heldout(scorer):
    records, shuffled = load("heldout.json"), load("heldout_shuffled.json")
    alone = [{**record, "instruction": other["instruction"]} for record, other in zip(records, shuffled)]
    ifd = [[scorer.score(r)["ifd_ppl"] for r in rows] for rows in (records, shuffled, alone)]
    share = lambda values: sum(b > a for a, b in zip(ifd[0], values)) / len(records)
    print(f"held out: {len(records)} records, median IFD {median(ifd[0]):.4f}")
    print(f"prompts exchanged: median {median(ifd[1]):.4f}, higher for {100 * share(ifd[1]):.2f} %")
    print(
        f"instructions alone exchanged: median {median(ifd[2]):.4f}, higher for {100 * share(ifd[2]):.2f} %"
    )
    cherry = [scorer.score(r, "cherry-alpaca")["ifd_ppl"] for r in records]
    print(f"cherry-alpaca: median IFD {median(cherry):.4f}")
    print("| kind | records | median IFD | prompts exchanged | higher for |\n|---|---|---|---|---|")
    for kind, rows in sorted(by_kind(records, ifd[0], ifd[1]).items()):
        higher = sum(b > a for a, b in rows)
        before, after = median([a for a, _ in rows]), median([b for _, b in rows])
        print(f"| {kind} | {len(rows)} | {before:.3f} | {after:.3f} | {higher} |")


def print_corpus(scorer):
    records = load("corpus.json")
    scores = [scorer.score(r) for r in records]
    ifd = [s["ifd_ppl"] for s in scores]
    clean = median(
        [v for v, r in zip(ifd, records) if r["kind"] in {h["kind"] for h in load("heldout.json")}]
    )
    print(
        f"corpus: {len(records)} records, {sum(len(s['ids_cond']) for s in scores)} conditioned tokens, "
        f"median IFD of the clean ones {clean:.4f}"
    )
    print("| defect | records | median IFD | above 1 |\n|---|---|---|---|")
    kinds = {h["kind"] for h in load("heldout.json")}
    for kind, rows in sorted(by_kind(records, ifd).items()):
        if kind not in kinds:
            print(
                f"| {kind} | {len(rows)} | {median([a for a, in rows]):.3f} | {sum(a > 1 for a, in rows)} |"
            )


def main():
    ap = argparse.ArgumentParser(description="reference losses and figures of the bundled model")
    ap.add_argument("--golden", action="store_true")
    ap.add_argument("--model", default=os.path.join(HERE, "model"))
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    scorer = Scorer(a.model)
    if a.golden:
        records = load("heldout.json")[:40]
        write_golden(scorer, "superfiltering", "golden.jsonl", records)
        write_golden(scorer, "cherry-alpaca", "golden-cherry-alpaca.jsonl", records)
    print_heldout(scorer)
    print_corpus(scorer)


if __name__ == "__main__":
    main()
