"""Run the Python examples of docs/file-format.md against a real file. Usage: doc_examples.py DOC FOLDER N.
SPDX-License-Identifier: Apache-2.0

FOLDER holds a scores.h5 of N records with token losses. Every block of the document that is marked as Python is run as
it stands, in one name space, as a reader would paste it. A block that needs pandas is passed over, with a line that says
so, where there is no pandas.
"""
import importlib.util
import os
import re
import sys

import numpy as np

document, folder, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
blocks = re.findall(r"^```python\n(.*?)^```$", open(document, encoding="utf-8").read(), re.M | re.S)
blocks = [b for b in blocks if "scores.h5" in b or "tokens/" in b]
assert sum("pandas" in b for b in blocks) == 1 and len(blocks) >= 3, blocks
os.chdir(folder)
names = {"i": 7}
ran = 0
for block in blocks:
    if "pandas" in block and importlib.util.find_spec("pandas") is None:
        print("SKIPPED: no pandas for the example of pandas (Debian: python3-pandas)")
        continue
    exec(compile(block, document, "exec"), names)
    ran += 1
f = names["f"]
assert len(f["samples/ifd_ppl"]) == n and ran >= 2
a, b = names["a"], names["b"]
assert b - a == f["samples/k_cond"][7] and len(f["tokens/cond/loss"][a:b]) == b - a
if "best" in names:
    status, score = f["samples/status"][:], f["samples/ifd_ppl"][:]
    order = np.argsort(-np.where((status <= 1) & (score < 1), score, -np.inf), kind="stable")
    count = min(5200, int(((status <= 1) & (score < 1)).sum()))
    best = names["best"]  # pandas promises no order among equal scores
    assert list(best.ifd_ppl) == list(score[order[:count]]) and set(best.index) == set(order[:count])
    assert list(names["df"].columns) == list(f["samples"]) and len(names["df"]) == n
