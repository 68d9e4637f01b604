"""What the script tests of the program share: running it, TAP, a model and a corpus, compressed files.

SPDX-License-Identifier: Apache-2.0
usage of a test: NAME.py WINNOW SOURCE_DIR [SHARED_DIR]
"""
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile


class Tests:
    """Numbers tests as TAP; each function given is one test, named by its words."""

    def __init__(self):
        self.winnow = os.path.abspath(sys.argv[1])
        self.source = os.path.abspath(sys.argv[2])
        self.shared = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else ""
        self.folder = tempfile.mkdtemp(prefix="winnow-cli-")
        self.number = 0
        self.failed = 0
        demo = os.path.join(self.source, "docs/demo/model")
        stories = os.path.join(self.shared, "models/stories260k")
        self.model = next((m for m in (demo, stories) if os.path.exists(os.path.join(m, "model.safetensors"))), None)
        if self.model and not os.path.exists(os.path.join(self.model, "tokenizer.json")):
            self.model = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not isinstance(content, bytes):
            content = content.encode("utf-8", "surrogatepass")
        with open(path, "wb") as to:
            to.write(content)
        return path

    def run(self, *words, stdin=b"", timeout=300, env=None):
        """Exit code, stdout, stderr; the program never dies by a signal here."""
        done = subprocess.run([self.winnow, *map(str, words)], input=stdin, capture_output=True, timeout=timeout,
                              cwd=self.folder, env={**os.environ, "TERM": "dumb", **(env or {})})
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def good(self, *words, **how):
        code, out, err = self.run(*words, **how)
        assert code == 0, f"winnow {' '.join(map(str, words))}: code {code}\n{err}"
        return out

    def json(self, *words):
        return json.loads(self.good(*words, "--json"))

    def wrong(self, wanted, says, *words, **how):
        """The command ends with code `wanted`, one error line that holds every text of `says`, and a hint."""
        code, out, err = self.run(*words, **how)
        line = next((l for l in err.splitlines() if l.startswith("winnow: error: ")), "")
        assert code == wanted, f"winnow {' '.join(map(str, words))}: code {code} instead of {wanted}\n{err}"
        for text in says:
            assert text in line, f"the error does not say {text!r}: {line}"
        assert "\nwinnow: hint: " in "\n" + err, f"no hint: {err}"
        return err

    def test(self, name, function, needs_model=True):
        self.number += 1
        if needs_model and self.model is None:
            # The model is part of every clone: without it nothing would be tested, and a skip would hide that.
            self.failed += 1
            print(f"not ok {self.number} - {name}\n# no model: docs/demo/model is missing or incomplete")
            return
        try:
            skipped = function()
        except Exception as fault:  # a test that breaks is a failed test
            self.failed += 1
            print(f"not ok {self.number} - {name}")
            for line in f"{type(fault).__name__}: {fault}".splitlines():
                print("#", line)
        else:
            print(f"ok {self.number} - {name}" + (f" # SKIP {skipped}" if isinstance(skipped, str) else ""))
        sys.stdout.flush()

    def end(self):
        print(f"1..{self.number}")
        shutil.rmtree(self.folder, ignore_errors=True)
        sys.exit(1 if self.failed else 0)


def records(n=120):
    """Alpaca records of our own, no two alike; a few with input, other scripts and empty answers."""
    words = ["red", "blue", "green", "tall", "small", "old", "new", "dark", "wet", "fast", "grün", "红", "быстро"]
    rows = []
    for i in range(n):
        a, b, c = words[i % 13], words[(i * 5 + 3) % 13], words[(i * 7 + 1) % 13]
        rows.append({"instruction": f"Say the words {a}, {b} and number {i}.",
                     "input": f"The {c} house, number {i}." if i % 3 == 0 else "",
                     "output": "" if i % 40 == 39 else f"Once there was a {a} {c} house. {b} it was, number {i}, " + "and so on " * (i % 9) + "the end."})
    return rows


def array(rows, indent=4):
    return json.dumps(rows, ensure_ascii=False, indent=indent)


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def gz(data):
    return gzip.compress(data if isinstance(data, bytes) else data.encode(), mtime=0)


def zst(data):
    """A zstd frame of raw blocks: the format needs no compressor (RFC 8878, 3.1.1)."""
    data = data if isinstance(data, bytes) else data.encode()
    out = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", len(data))
    pieces = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
    for i, piece in enumerate(pieces):
        out += struct.pack("<I", (i == len(pieces) - 1) | len(piece) << 3)[:3] + piece
    return out
