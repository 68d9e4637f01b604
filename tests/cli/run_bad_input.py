#!/usr/bin/env python3
"""Bad input of every kind through the program: exit code, and a message with what, where and how to mend. Writes TAP.

Each row of the table in docs/testing.md is a row here.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import struct

import tap

T = tap.Tests()
GOOD = tap.records(30)


def row(output="Yes.", instruction="Say yes.", **more):
    return json.dumps({"instruction": instruction, "output": output, **more})


def check(path, *more):
    return ["check", path, "--model", T.model, *more]


def copy_model(name):
    """A model folder of our own, to be damaged."""
    folder = T.path(name)
    if os.path.exists(folder):
        shutil.rmtree(folder)
    shutil.copytree(T.model, folder)
    return folder


def change_json(path, change):
    with open(path, encoding="utf-8") as f:
        value = json.load(f)
    change(value)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


# ---- corpus files that cannot be read as records at all: name, file content, code, what the message says
FILES = [
    ("an empty file", "empty.json", b"", 3, ["empty.json"]),
    ("a file of blanks", "blank.json", b" \n\n ", 3, ["blank.json"]),
    ("a Parquet file", "t.parquet", b"PAR1" + bytes(64) + b"PAR1", 3, ["t.parquet", "Parquet", "to_json"]),
    ("an Arrow file", "t.arrow", b"ARROW1\0\0" + bytes(64), 3, ["t.arrow", "Arrow", "to_json"]),
    ("plain text", "text.json", b"hello world\nsecond line\n", 3, ["text.json"]),
    ("a torn array", "torn.json", tap.array(GOOD).encode()[:700], 3, ["torn.json"]),
    ("a torn gzip stream", "torn.json.gz", tap.gz(tap.array(GOOD))[:200], 3, ["torn.json.gz"]),
    ("a damaged gzip stream", "bad.json.gz", tap.gz(tap.array(GOOD))[:-8] + bytes(8), 3, ["bad.json.gz"]),
    ("a torn zstd stream", "torn.json.zst", tap.zst(tap.array(GOOD))[:300], 3, ["torn.json.zst"]),
    ("two values in an array file", "two.json", b'[{"instruction": "a", "output": "b"}] [1]', 3, ["two.json"]),
    ("UTF-16", "wide.json", tap.array(GOOD[:2]).encode("utf-16"), 3, ["wide.json", "UTF-16"]),
    ("an empty array", "none.json", b"[]", 3, ["none.json", "no record"]),
]
# ---- single bad records among good ones: name, the record's bytes, status, what the line about it says
RECORDS = [
    ("a number where text belongs", row(7).encode(), "parse_error", ["output", "number"]),
    ("a boolean where text belongs", row(True).encode(), "parse_error", ["output", "boolean"]),
    ("an array where text belongs", row(["x"]).encode(), "parse_error", ["output", "array"]),
    ("an object where text belongs", row(instruction={"a": 1}).encode(), "parse_error", ["instruction", "object"]),
    ("a record that is a number", b"5", "parse_error", ["number"]),
    ("a record that is no JSON", b'{"instruction": "a", "output": }', "parse_error", []),
    ("a trailing comma", b'{"instruction": "a", "output": "b",}', "parse_error", []),
    ("single quotes", b"{'instruction': 'a', 'output': 'b'}", "parse_error", []),
    ("a lone surrogate", b'{"instruction": "a \\ud800 b", "output": "c"}', "parse_error", ["surrogate"]),
    ("invalid UTF-8", b'{"instruction": "a \xff b", "output": "c"}', "parse_error", ["UTF-8"]),
    ("a key twice", b'{"instruction": "a", "output": "b", "output": "c"}', "parse_error", ["output"]),
    ("nesting 5,000 deep", b'{"instruction": "a", "output": "b", "more": ' + b"[" * 5000 + b"]" * 5000 + b"}",
     "parse_error", ["deep"]),
    ("a null answer", b'{"instruction": "a", "output": null}', "empty_answer", None),
    ("no answer", b'{"instruction": "a"}', "empty_answer", None),
    ("an empty answer", row("").encode(), "empty_answer", None),
    ("a null instruction", b'{"instruction": null, "output": "b c d"}', "no_instruction", None),
    ("no instruction", b'{"output": "b c d"}', "no_instruction", None),
    ("the bare literal NaN", b'{"instruction": "a", "output": "b c d", "score": NaN}', "ok", None),
    ("an integer above 2^53", b'{"instruction": "a", "output": "b c d", "id": 123456789012345678901}', "ok", None),
    ("U+0000 in a text", b'{"instruction": "a\\u0000b", "output": "b\\u0000c d"}', "ok", None),
    ("CRLF and U+FEFF in a text", b'{"instruction": "a\\r\\n\xef\xbb\xbfb", "output": "b\\r\\nc d"}', "ok", None),
]


def file_case(name, content, code, says):
    path = T.write("files/" + name, content)
    T.wrong(code, says, *check(path))


def record_case(content, status, says):
    good = tap.lines(GOOD[:5]).encode()
    path = T.write("records/case.jsonl", good + content + b"\n" + good)
    code, out, err = T.run(*check(path, "--json"))
    assert code == 0, f"code {code}: {err}"
    result = json.loads(out)
    assert result["records"] == 11 and sum(result["status"].values()) == 11, result["status"]
    before = T.json(*check(T.write("records/good.jsonl", good + good)))["status"]
    assert result["status"][status] == before[status] + 1, (status, result["status"])
    if says is None:
        assert result["bad"] == 0, result
        return
    line = result["first_bad"][0]
    for text in ["line 6", "case.jsonl", status, *says]:
        assert text in line, f"{text!r} is not in: {line}"
    T.wrong(3, ["line 6", "case.jsonl", "--strict", *says], *check(path, "--strict"))


def array_record_case():
    path = T.write("records/case.json", '[{"instruction": "a", "output": "b c"},\n {"instruction": "a", "output": 5}]')
    line = T.json(*check(path))["first_bad"][0]
    for text in ("record 1", "case.json", "bytes", "output", "number"):
        assert text in line, line


def bom_case():
    plain = T.json(*check(T.write("records/plain.json", tap.array(GOOD))))
    marked = T.json(*check(T.write("records/bom.json", b"\xef\xbb\xbf" + tap.array(GOOD).encode())))
    assert plain["status"] == marked["status"] and plain["tokens"] == marked["tokens"]


def too_many_bad():
    rows = [row(f"Answer number {i}.") for i in range(70)] + [row(5)] * 30
    path = T.write("records/many.jsonl", "\n".join(rows))
    T.wrong(3, ["--max-bad 5", "many.jsonl", "output", "number"], *check(path))
    out = T.path("run-bad")
    T.wrong(3, ["--max-bad 5", "line 71", "many.jsonl"], "score", path, "--model", T.model, "--out", out)
    assert not os.path.exists(out), os.listdir(out)
    few = T.write("records/few.jsonl", "\n".join(rows[:25] + [row(5)] * 19))
    T.good("score", few, "--model", T.model, "--out", out)
    T.good("score", path, "--model", T.model, "--out", T.path("run-tolerant"), "--max-bad", "30%")


def same_verdict():
    """Bad records that come early: few in all, too many when they come. Check ends as score does."""
    rows = [row(5) if 25 <= i < 50 else row(f"Answer number {i}.") for i in range(950)]
    path = T.write("records/early.jsonl", "\n".join(rows))
    out = T.path("run-early")
    says = ["20 of the first 45 records", "--max-bad 5", "line 26", "early.jsonl"]
    errors = [T.wrong(3, says, *check(path)),
              T.wrong(3, says, "score", path, "--model", T.model, "--out", out, "--device", "null")]
    lines = [[l for l in err.splitlines() if l.startswith("winnow: error: ")] for err in errors]
    assert lines[0] == lines[1], lines
    assert T.run(*check(path))[1].startswith("records      950"), "the table is of all records"
    for percent, code in (("44", 3), ("45", 3), ("50.1", 0)):
        assert T.run(*check(path, "--max-bad", percent))[0] == code, percent
        assert T.run("score", path, "--model", T.model, "--out", out + percent, "--device", "null", "--max-bad",
                     percent)[0] == code, percent


def missing_files():
    T.wrong(3, ["nowhere.json"], *check(T.path("nowhere.json")))
    T.wrong(3, [T.folder], *check(T.folder))
    if os.geteuid() != 0:
        path = T.write("closed.json", tap.array(GOOD))
        os.chmod(path, 0)
        T.wrong(3, ["closed.json"], *check(path))


def fatal_map():
    path = T.write("map.json", json.dumps([{"q": "a", "a": "b"}]))
    T.wrong(2, ["--map", "nonsense"], *check(path, "--map", "nonsense"))
    T.wrong(3, ["map.json", "--map"], *check(path))
    T.good(*check(path, "--map", "instruction=q", "--map", "output=a"))
    T.wrong(2, ["--map input=b", '"input"', "twice"], *check(path, "--map", "input=a", "--map", "input=b"))


def damaged_model(change, says, command="check"):
    folder = copy_model("model")
    change(folder)
    path = T.write("corpus.json", tap.array(GOOD))
    words = [command, path, "--model", folder] + (["--out", T.path("never")] if command == "score" else [])
    T.wrong(4, says, *words)
    assert not os.path.exists(T.path("never"))


def header_of(folder, change):
    """Change the JSON header of model.safetensors and leave the rest."""
    path = os.path.join(folder, "model.safetensors")
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    change(header)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data[8 + size:])


def cut_file(folder, name, size):
    with open(os.path.join(folder, name), "r+b") as f:
        f.truncate(size)


def config(folder, change):
    change_json(os.path.join(folder, "config.json"), change)


def text_file(folder, name, content):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(content)


def first_name(header):
    return next(name for name in header if name != "__metadata__")


def shards(folder):
    os.remove(os.path.join(folder, "model.safetensors"))
    text_file(folder, "model.safetensors.index.json",
              json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))


# ---- models: name, how a good folder is damaged, what the message says
MODELS = [
    ("no config.json", lambda f: os.remove(f + "/config.json"), ["config.json"]),
    ("a config.json that is no JSON", lambda f: text_file(f, "config.json", "{"), ["config.json"]),
    ("an unknown model_type", lambda f: config(f, lambda c: c.update(model_type="mamba")), ["mamba", "config.json"]),
    ("a config.json without model_type", lambda f: config(f, lambda c: c.pop("model_type")), ["model_type"]),
    ("no weights", lambda f: os.remove(f + "/model.safetensors"), ["model.safetensors"]),
    ("an empty weights file", lambda f: cut_file(f, "model.safetensors", 0), ["model.safetensors"]),
    ("weights cut inside the header", lambda f: cut_file(f, "model.safetensors", 100), ["model.safetensors", "header"]),
    ("weights cut inside the tensors", lambda f: cut_file(f, "model.safetensors", 60000), ["model.safetensors"]),
    ("a header size of 2^63", lambda f: open(f + "/model.safetensors", "r+b").write(b"\xff" * 7 + b"\x7f"),
     ["model.safetensors", "header"]),
    ("a tensor with a negative shape", lambda f: header_of(f, lambda h: h[first_name(h)].update(shape=[-1, 4])),
     ["model.safetensors", "shape"]),
    ("a tensor with huge offsets",
     lambda f: header_of(f, lambda h: h[first_name(h)].update(data_offsets=[0, 2 ** 60])), ["model.safetensors"]),
    ("a tensor of an unknown type", lambda f: header_of(f, lambda h: h[first_name(h)].update(dtype="Q9")),
     ["model.safetensors", "Q9"]),
    ("a tensor that is missing", lambda f: header_of(f, lambda h: h.pop(first_name(h))), ["model.safetensors"]),
    ("a missing shard", shards, ["model-00001-of-00002.safetensors"]),
    ("no tokenizer", lambda f: os.remove(f + "/tokenizer.json"), ["tokenizer.json"]),
    ("a tokenizer.json that is no JSON", lambda f: text_file(f, "tokenizer.json", "[1"), ["tokenizer.json"]),
    ("an unknown tokenizer model",
     lambda f: change_json(f + "/tokenizer.json", lambda t: t["model"].update(type="Hieroglyphs")),
     ["tokenizer.json", "Hieroglyphs"]),
    ("an unknown pre-tokenizer",
     lambda f: change_json(f + "/tokenizer.json", lambda t: t.update(pre_tokenizer={"type": "Psychic"})),
     ["tokenizer.json", "Psychic"]),
]


def missing_model():
    path = T.write("corpus.json", tap.array(GOOD))
    hub = T.path("hub")
    err = T.wrong(4, ["acme/nothing", hub], "check", path, "--model", "acme/nothing", env={"HF_HUB_CACHE": hub})
    assert "download" in err or "looked" in err or "tried" in err, err
    T.wrong(4, [T.path("no-model")], "check", path, "--model", T.path("no-model"))
    T.wrong(4, [], "inspect", "checkpoint", T.path("no-model"))
    T.wrong(4, [], "inspect", "tokenizer", T.path("no-model"))


def profiles():
    path = T.write("corpus.json", tap.array(GOOD))
    T.wrong(2, ["no-such", "superfiltering"], *check(path, "--profile", "no-such"))
    text = T.good("inspect", "profile", "cherry-alpaca")
    T.good(*check(path, "--profile", "file:" + T.write("p.json", text)))
    bad = json.loads(text)
    bad["max_length"] = "many"
    T.wrong(4, ["p2.json", "max_length"], *check(path, "--profile", "file:" + T.write("p2.json", json.dumps(bad))))
    T.wrong(4, ["p3.json"], *check(path, "--profile", "file:" + T.write("p3.json", "{")))
    T.wrong(4, ["p4.json"], *check(path, "--profile", "file:" + T.path("p4.json")))


def scores_files():
    err = T.wrong(3, ["not.h5"], "inspect", "scores", T.write("not.h5", b"this is text"))
    assert "winnow check" not in err and "winnow help inspect" in err, err
    err = T.wrong(5, ["gone.h5"], "inspect", "scores", T.path("gone.h5"))
    assert "hint: look at the path" in err, err
    run = T.path("run-scores")
    T.good("score", T.write("corpus.json", tap.array(GOOD)), "--model", T.model, "--out", run)
    with open(run + "/scores.h5", "rb") as f:
        data = f.read()
    code, _, err = T.run("inspect", "scores", T.write("cut.h5", data[:len(data) // 2]))
    assert code == 5 and "cut.h5" in err and "copy it again or run `winnow score` again" in err, (code, err)
    assert "LOCKING" not in err and "the same command goes on" not in err, err
    T.wrong(2, ["ifd_pp", "ifd_ppl"], "select", run, "--by", "ifd_pp", "--number", "3", "-o", T.path("s.json"))
    T.wrong(2, ["1 +"], "select", run, "--by", "1 +", "--number", "3", "-o", T.path("s.json"))
    assert not os.path.exists(T.path("s.json"))


def tokenizer_lines():
    err = T.wrong(3, ["stdin, line 2", "number"], "inspect", "tokenizer", T.model, stdin=b'"a"\n5\n')
    assert "winnow check" not in err, err
    T.wrong(3, ["stdin, line 1"], "inspect", "tokenizer", T.model, stdin=b"bare words\n")


def window():
    path = T.write("corpus.json", tap.array(GOOD))
    T.wrong(2, ["1000000", "positions"], *check(path, "--max-length", "1000000"))
    T.wrong(2, ["--range", "30 records"], *check(path, "--range", "30:"))
    T.wrong(2, ["--index 30", "30 records"], "explain", "--data", path, "--model", T.model, "--index", "30")


def damaged_run():
    run = T.path("run-damaged")
    path = T.write("corpus.json", tap.array(GOOD))
    T.good("score", path, "--model", T.model, "--out", run)
    text_file(run, "run.json", "{")
    T.wrong(8, ["run.json", "damaged", "--out"], "score", path, "--model", T.model, "--out", run)
    T.wrong(8, ["run.json"], "explain", run, "--index", "1")
    text_file(run, "run.json", "{}")
    T.wrong(8, ["run.json"], "score", path, "--model", T.model, "--out", run)


def changed_profile():
    path = T.write("corpus.json", tap.array(GOOD))
    run = T.path("run-profile")

    def score(says, profile):
        err = T.wrong(8, ["run.json", "--profile", *says], "score", path, "--model", T.model, "--out", run,
                      "--profile", profile)
        assert len(err.splitlines()[0]) < 500, err

    own = json.loads(T.good("inspect", "profile", "cherry-alpaca"))
    own["name"] = "mine"
    file = T.write("mine.json", json.dumps(own))
    T.good("score", path, "--model", T.model, "--out", run, "--profile", "file:" + file)
    score(['"mine" there', '"superfiltering" now'], "superfiltering")
    T.write("mine.json", json.dumps({**own, "prompt": "é" * 100 + "{instruction}"}))
    score(['"prompt" of profile "mine"', '"' + "é" * 79 + "... now"], "file:" + file)
    T.write("mine.json", json.dumps({**own, "max_length": own["max_length"] + 1}))
    score([f'"max_length" of profile "mine" is {own["max_length"]} there, {own["max_length"] + 1} now'], "file:" + file)


def changed_corpus():
    path = T.write("changing.json", tap.array(GOOD))
    run = T.path("run-changing")
    T.good("score", path, "--model", T.model, "--out", run, "--range", "10:20")
    T.good("explain", run, "--index", "19")
    for index in (9, 20, 29, 400):
        T.wrong(2, [f"--index {index}", "10 to 19"], "explain", run, "--index", index)
    same = T.write("elsewhere.json", tap.array(GOOD))
    T.good("explain", run, "--index", "12", "--data", same)
    other = [dict(row) for row in GOOD]
    other[3]["output"] = "Another answer."
    T.write("changing.json", tap.array(other))
    for words in (["--index", "3"], ["--index", "12"], ["--index", "12", "--json"]):
        T.wrong(8, [f"record {words[1]}", "not the corpus that was scored"], "explain", run, *words)
    T.good("explain", run, "--index", "12", "--data", same)
    T.wrong(8, ["not the corpus that was scored"], "select", run, "--number", "1", "-o", T.path("c.json"))
    T.good("explain", "--data", path, "--model", T.model, "--index", "3")
    # scores.h5 of another corpus beside this run.json
    strange = T.path("run-strange")
    T.good("score", path, "--model", T.model, "--out", strange, "--range", "3:13")
    shutil.copy(strange + "/scores.h5", run + "/scores.h5")
    T.wrong(8, ["record 12", "not the corpus that was scored", "scores.h5"], "explain", run, "--index", "12", "--data", same)


def only_record_is_bad():
    for bad in (b'{"instruction": "a \\ud800", "output": "c"}', b'{"instruction": "a", "instruction": "b", "output": "c"}',
                b'{"instruction": "a", "output": "b", "more": ' + b"[" * 300 + b"]" * 300 + b"}"):
        err = T.wrong(3, ["no record could be read; the first: line 1 of"], *check(T.write("one.jsonl", bad + b"\n")))
        assert "JSON object;" not in err, err


for name, file, content, code, says in FILES:
    T.test("corpus file: " + name, lambda a=(file, content, code, says): file_case(*a))
for name, content, status, says in RECORDS:
    T.test("record: " + name, lambda a=(content, status, says): record_case(*a))
T.test("a bad record of an array is named by number and bytes", array_record_case)
T.test("a BOM at the start of a file changes nothing", bom_case)
T.test("too many bad records stop the run with nothing left behind", too_many_bad)
T.test("early bad records end check and score with the same words", same_verdict)
T.test("missing and unreadable files", missing_files)
T.test("records of no known form, and --map", fatal_map)
for name, change, says in MODELS:
    T.test("model: " + name, lambda a=(change, says): damaged_model(*a))
T.test("a damaged model leaves no run directory", lambda: damaged_model(lambda f: os.remove(f + "/config.json"), [], "score"))
T.test("a missing model, with the places tried", missing_model)
T.test("unknown and damaged profiles", profiles)
T.test("scores files that are none, are cut, and unknown columns", scores_files)
T.test("lines for the tokenizer that are no JSON strings", tokenizer_lines)
T.test("a window above the model's positions, records that are not there", window)
T.test("a damaged run.json", damaged_run)
T.test("another profile is told by its name or its first other member", changed_profile)
T.test("explain refuses a corpus that changed, and records that the run does not hold", changed_corpus)
T.test("a corpus whose only record is bad says what is bad in it", only_record_is_bad)
T.end()
