"""The rule of Superfiltering's select_data.py, in our own words. Usage: published_rule.py TABLE RATE INDICES.
SPDX-License-Identifier: Apache-2.0

TABLE: JSON lines of `winnow select --all --format jsonl`; INDICES: the index file of `winnow select --preset
superfiltering --rate RATE`. The published code takes int(52002 x rate) records, its pool's size written out; here it is
the number of lines. It keeps records whose ifd_ppl is below 1 (NaN is not), and sorts them by it, highest first, by a
stable sort, so that equal values stay in the order of the pool. Exits with 0 where both choose the same in one order.
"""
import json
import sys

table, rate, indices = sys.argv[1], float(sys.argv[2]), sys.argv[3]
with open(table, encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
wanted = int(len(rows) * rate)
kept = [row for row in rows if row["ifd_ppl"] is not None and row["ifd_ppl"] < 1]
kept.sort(key=lambda row: row["ifd_ppl"], reverse=True)
published = [row["index"] for row in kept[:wanted]]
with open(indices, encoding="utf-8") as file:
    chosen = [int(line) for line in file]
if published != chosen:
    at = next((i for i, (a, b) in enumerate(zip(published, chosen)) if a != b), min(len(published), len(chosen)))
    sys.exit("%d against %d records; the first difference is at place %d: %s, %s" %
             (len(published), len(chosen), at, published[at:at + 3], chosen[at:at + 3]))
