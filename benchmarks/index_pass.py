#!/usr/bin/env python3
"""The index pass against `cat FILE | wc -c`, alternating in one run: the ratio of their medians.

usage: index_pass.py BUILD/benchmarks/index_pass [FILE...] [--megabytes N] [--rounds N] [--require RATIO]

Without FILE two corpora of Alpaca's shape are made in a temporary folder, as lines and as an array, from fixed random
words. Ratio above 1: the index pass is the faster one. Ends with 9 where a ratio is below --require.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time


def rows(n):
    """Records whose texts are as long as Alpaca's: instruction 60, input 0 to 80, output about 270 characters."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(1, 9))) for _ in range(2000)] + ['"so"', "na\u00efve", "a\nb"]

    def text(low, high):
        return " ".join(rng.choices(words, k=rng.randint(low, high)))

    return [{"instruction": text(6, 14), "input": text(4, 24) if rng.random() < 0.4 else "", "output": text(3, 90)} for _ in range(n)]


def make(folder, megabytes):
    """The same records again and again: what is measured does not look at their texts twice."""
    some = rows(5000)
    lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in some).encode()
    elements = json.dumps(some, ensure_ascii=False, indent=4)[2:-2].encode()
    paths = [os.path.join(folder, "alpaca.jsonl"), os.path.join(folder, "alpaca.json")]
    with open(paths[0], "wb") as out:
        for _ in range(max(1, megabytes * 1000000 // len(lines))):
            out.write(lines)
    with open(paths[1], "wb") as out:
        out.write(b"[\n")
        for i in range(max(1, megabytes * 1000000 // len(elements))):
            out.write((b",\n" if i else b"") + elements)
        out.write(b"\n]\n")
    return paths


def cat_seconds(path):
    begin = time.monotonic()
    # The path goes in as an argument, so that no character of it means anything to the shell.
    count = subprocess.run(["sh", "-c", 'cat -- "$1" | wc -c', "sh", path], check=True, capture_output=True)
    seconds = time.monotonic() - begin
    assert int(count.stdout) == os.path.getsize(path)
    return seconds


def index_seconds(program, path):
    out = subprocess.run([program, path], check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), int(out[1]), int(out[2])


def measure(program, path, rounds):
    cat_seconds(path)  # the page cache is warm from here on
    cats, passes, peak, records = [], [], 0, 0
    for _ in range(rounds):
        cats.append(cat_seconds(path))
        seconds, records, kib = index_seconds(program, path)
        passes.append(seconds)
        peak = max(peak, kib)
    size = os.path.getsize(path)
    cat, index = statistics.median(cats), statistics.median(passes)
    print(f"{os.path.basename(path)}: {size / 1e6:.0f} MB, {records} records")
    print(f"  cat | wc -c  {cat:.3f} s ({min(cats):.3f} to {max(cats):.3f})  {size / cat / 1e9:.2f} GB/s")
    print(f"  index pass   {index:.3f} s ({min(passes):.3f} to {max(passes):.3f})  {size / index / 1e9:.2f} GB/s, peak {peak / 1024:.0f} MiB")
    print(f"  ratio {cat / index:.2f}")
    return cat / index


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--require", type=float, default=0.0)
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="winnow-index-pass-") as folder:
        paths = options.files or make(folder, options.megabytes)
        ratios = [measure(options.program, path, options.rounds) for path in paths]
    return 9 if min(ratios) < options.require else 0


if __name__ == "__main__":
    sys.exit(main())
