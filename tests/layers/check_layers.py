#!/usr/bin/env python3
"""Hold every #include against the layer table, and the sources against the size limits of the style.

usage: check_layers.py SOURCE_DIR
Writes TAP. The table is the one of docs/architecture.md: a folder may include its own headers, include/winnow, and of
the folders listed only the face X/X.h (corpus/profile.h is part of corpus's face).
"""
import os
import re
import sys

TABLE = {
    "include/winnow": [],
    "kernels": [],
    "src/base": [],
    "src/pack": [],
    "src/linalg": ["kernels"],
    "src/corpus": ["base"],
    "src/tokenizer": ["base"],
    "src/store": ["base"],
    "src/model": ["base", "kernels"],
    "src/score": ["base", "corpus", "tokenizer", "pack", "model", "linalg"],
    "src/select": ["base", "corpus", "store", "linalg"],
    "src/cluster": ["base", "corpus", "pack", "score", "store", "tokenizer", "model"],
    "src/cli": ["base", "corpus", "tokenizer", "pack", "model", "linalg", "score", "store", "select", "cluster", "kernels"],
    "src": ["cli"],
}
# One owner for each foreign library.
OWNERS = {
    "cjson/cJSON.h": ["src/base/json.c"],
    "hdf5.h": ["src/store/"],
    "pcre2.h": ["src/tokenizer/"],
    "utf8proc.h": ["src/tokenizer/"],
    "zlib.h": ["src/corpus/"],
    "zstd.h": ["src/corpus/"],
    "xxhash.h": ["src/base/"],
    "oneapi/dnnl/dnnl.h": ["kernels/"],
    "mpi.h": ["src/cluster/wire"],
}
# --version states which libraries run; it asks each one by name.
VERSION_FILE = "src/cli/version.c"
MAX_FILE, MAX_FUNCTION = 600, 100


def sources(root):
    for top in ("include", "kernels", "src", "tests", "benchmarks"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cu", ".cuh")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def include_faults(path, text):
    folder = os.path.dirname(path)
    if folder not in TABLE:
        return
    for kind, name in re.findall(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, re.M):
        if kind == "<" or name.count("/") > 1:
            owners = OWNERS.get(name)
            if owners and path != VERSION_FILE and not any(path.startswith(o) for o in owners):
                yield f"{path} includes <{name}>, which belongs to {', '.join(owners)}"
            continue
        if name in OWNERS:
            if path != VERSION_FILE and not any(path.startswith(o) for o in OWNERS[name]):
                yield f"{path} includes {name}, which belongs to {', '.join(OWNERS[name])}"
            continue
        top, _, rest = name.partition("/")
        own = folder.split("/")[-1]
        if top == "winnow" or top == own:
            continue
        if not rest:
            yield f'{path} includes "{name}": say the folder'
        elif top not in TABLE[folder]:
            yield f'{path} includes "{name}": {folder} may include only {", ".join(TABLE[folder]) or "include/winnow"}'
        elif top != "kernels" and rest != f"{top}.h" and name != "corpus/profile.h":
            yield f'{path} includes "{name}": only the face {top}/{top}.h is for others'


def size_faults(path, text):
    lines = text.split("\n")
    if len(lines) - 1 > MAX_FILE:
        yield f"{path} has {len(lines) - 1} lines (at most {MAX_FILE})"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > MAX_FUNCTION:
                yield f"{path}:{start}: a function of {number - start - 1} lines (at most {MAX_FUNCTION})"
            start = None


def style_faults(path, text):
    head = text[:600]
    if "SPDX-License-Identifier: Apache-2.0" not in head:
        yield f"{path}: no SPDX line at the top"
    if re.search(r"\b(TODO|FIXME|XXX)\b", text):
        yield f"{path}: says itself that something is unfinished"
    if path.startswith(("src/", "kernels/")) and re.search(r"^static (?!const\b|inline\b|_Thread)[\w\s\*]+\b\w+(\[.*\])?\s*(=[^=]|;)", text, re.M):
        for match in re.finditer(r"^static (?!const\b|inline\b)[^(\n]*(=|;)", text, re.M):
            if "*const" not in match.group(0):
                yield f"{path}: mutable file-scope variable: {match.group(0).strip()}"


def main():
    root = sys.argv[1]
    checks = [("includes follow the layer table", include_faults), ("files and functions are short", size_faults), ("files carry their licence and nothing unfinished", style_faults)]
    files = [(p, open(os.path.join(root, p), encoding="utf-8").read()) for p in sources(root)]
    failed = 0
    print(f"1..{len(checks)}")
    for number, (name, check) in enumerate(checks, 1):
        faults = [f for path, text in files for f in check(path, text)]
        print(f"{'not ok' if faults else 'ok'} {number} - {name} ({len(files)} files)")
        for fault in faults:
            print("#", fault)
        failed += bool(faults)
    return 1 if failed or not files else 0


sys.exit(main())
