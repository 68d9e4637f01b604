#!/usr/bin/env python3
"""Wrong use of every command: exit code 2, an error that names the flag and the mend, a hint. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import time

import tap

T = tap.Tests()
CORPUS = T.write("corpus.json", tap.array(tap.records(12)))
FILE = T.write("file.txt", "x")
os.makedirs(T.path("full"))
T.write("full/mine.txt", "mine")

# words of the command line, what the error must say
CASES = [
    ([], ["no command", "winnow --help"]),
    (["scroe"], ["`scroe`", "`score`"]),
    (["score", "--modle", "m"], ["--modle", "--model"]),
    (["score", "--rate", "10%"], ["--rate", "winnow select"]),
    (["score"], ["a corpus file", "winnow score [--data] FILE..."]),
    (["score", CORPUS], ["--model M"]),
    (["score", CORPUS, "--model", "m"], ["--out RUN"]),
    (["score", CORPUS, "--model"], ["--model needs a value"]),
    (["score", CORPUS, "--model", "m", "--out", ""], ["--out is empty"]),
    (["score", CORPUS, "--model", "m", "--out", FILE], [FILE, "is a file", "a run directory is wanted"]),
    (["score", CORPUS, "--model", "m", "--out", T.path("full")], ["is not empty", "mine.txt", "choose another --out"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--profile", "alpaca"], ["alpaca", "superfiltering"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--max-length", "1"], ["--max-length 1", "from 2"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--dataset", "d"], ["--dataset-info", "go together"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--range", "5"], ["--range 5", "A:B"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--shard", "4/3"], ["--shard 4/3", "K/N", "such as 1/4"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--time-limit", "soon"], ["--time-limit soon", "HH:MM:SS", "90m"]),
    (["score", CORPUS, "--model", "m", "--out", "r", "--sync", "0"], ["--sync 0", "from 0.01 to 3600"]),
    (["status"], ["needs a run"]),
    (["status", "r"], ["r does not exist", "winnow score"]),
    (["status", FILE], ["is a file"]),
    (["status", T.path("full")], ["no run directory", "run.json"]),
    (["status", "r", "s"], ["one run", "s is one too many"]),
    (["status", "r", "--interval", "3"], ["--interval", "--watch"]),
    (["status", "r", "--wach"], ["--wach", "--watch"]),
    (["compare"], ["two runs", "0 were given"]),
    (["compare", "r"], ["two runs", "1 was given"]),
    (["compare", "r", "s", "--top", "0"], ["--top 0", "0.1 or 10%"]),
    (["compare", "r", "s", "--require", "7"], ["--require 7", "from -1 to 1"]),
    (["merge"], ["needs the runs"]),
    (["merge", "r"], ["--out OUT"]),
    (["merge", "r", "-o", FILE], ["does not end in .h5"]),
    (["check"], ["a corpus file"]),
    (["check", CORPUS], ["--model M"]),
    (["select"], ["a run or a scores.h5"]),
    (["select", "r"], ["--out SUBSET"]),
    (["select", "r", "-o", "s"], ["exactly one of --rate, --number, --above and --below", "0 were given"]),
    (["select", "r", "-o", "s", "--rate", "0.1", "--number", "3"], ["exactly one of", "2 were given"]),
    (["select", "r", "-o", "-", "--number", "3"], ["--out -", "give the name of a file"]),
    (["select", "r", "-o", "s", "--rate", "7"], ["--rate 7", "0.1 or 10%"]),
    (["select", "r", "-o", "s", "--number", "3", "--of", "valid"], ["--of", "--rate"]),
    (["select", "r", "-o", "s", "--number", "3", "--names", "winnow"], ["--names", "--with-scores"]),
    (["select", "r", "-o", "s", "--number", "3", "--seed", "1"], ["--seed", "--random"]),
    (["select", "r", "more", "-o", "s", "--number", "3"], ["takes one run", "more", "--data"]),
    (["explain", "r"], ["--index I"]),
    (["explain", "--index", "3"], ["a corpus file"]),
    (["explain", T.path("full"), "--index", "3"], ["no run directory", "run.json"]),
    (["inspect"], ["tokenizer, checkpoint, scores or profile"]),
    (["inspect", "tokeniser", "m"], ["tokeniser", "did you mean tokenizer"]),
    (["inspect", "scores"], ["looks at one thing"]),
    (["inspect", "checkpoint", "m", "--digest"], ["--digest", "inspect scores"]),
    (["inspect", "scores", "r", "--plain"], ["--plain", "inspect tokenizer"]),
    (["inspect", "profile", "nothing"], ["nothing", "superfiltering"]),
    (["help", "scroe"], ["`scroe`"]),
    (["help", "--completion", "fish"], ["--completion fish", "bash"]),
]

for words, says in CASES:
    T.test("wrong use: winnow " + " ".join(os.path.basename(w) if w else "''" for w in words),
           lambda words=words, says=says: T.wrong(2, says, *words) and None, needs_model=False)


def untouched():
    assert sorted(os.listdir(T.path("full"))) == ["mine.txt"] and not os.path.exists(T.path("r"))


def help_goes_to_stdout():
    for words in (["--help"], ["-h"], ["help"], ["score", "--help"], ["help", "select"], ["score", "-h", "--model", "x"]):
        code, out, err = T.run(*words)
        assert code == 0 and not err and "Examples:" in out and max(map(len, out.splitlines())) <= 100, words


def versions():
    out = T.good("--version")
    for name in ("winnow", "HDF5", "cJSON", "PCRE2", "utf8proc", "zstd", "zlib", "xxHash"):
        assert any(line.split()[0] == name and line.split()[1][0].isdigit() for line in out.splitlines()), (name, out)
    assert T.good("-V") == out and T.good("score", "--version") == out


def manual_and_completion():
    assert T.good("help", "--man", "score") == T.good("--man", "score")
    assert T.good("--man").startswith(".TH WINNOW 1")
    script = T.write("completion.bash", T.good("--completion", "bash"))
    ask = f'source {script}; COMP_WORDS=(winnow score --ma); COMP_CWORD=2; _winnow; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--map", "--max-bad", "--max-length"], done.stdout


def full_disk():
    if not os.path.exists("/dev/full"):
        return "no /dev/full here"
    with open("/dev/full", "w") as full:
        done = subprocess.run([T.winnow, "help", "--man"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5 and "stdout cannot be written" in done.stderr, (done.returncode, done.stderr)


def first_words():
    """The line is there before anything is opened. 100 ms are promised; a busy machine gets more here."""
    begun = time.monotonic()
    run = subprocess.Popen([T.winnow, "score", CORPUS, "--model", T.model, "--out", T.path("first")],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    line = run.stderr.readline()
    took = time.monotonic() - begun
    run.stderr.read()
    assert run.wait() == 0 and b"scoring" in line and took < 1, (line, took)


T.test("a directory that is no run directory stays as it is", untouched, needs_model=False)
T.test("help goes to stdout with code 0 and at most 100 columns", help_goes_to_stdout, needs_model=False)
T.test("--version names the libraries", versions, needs_model=False)
T.test("manual and completion are printed and the completion works in bash", manual_and_completion, needs_model=False)
T.test("a result that cannot be written is code 5", full_disk, needs_model=False)
T.test("the first line of score comes at once", first_words)
T.end()
