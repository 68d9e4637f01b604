#!/usr/bin/env python3
"""Runs that are cut short: signals, kills, limits on the size of files, readers that went away. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import os
import shutil
import signal
import subprocess

import tap

T = tap.Tests()
ROWS = tap.records(90)
CORPUS = T.write("corpus.json", tap.array(ROWS))
RUN = T.path("run")
NULL = ["--device", "null"]


def begin(words, **how):
    return subprocess.Popen([T.winnow, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **how)


def files_of(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


def temporary(folder):
    return [path for path in files_of(folder) if ".tmp." in path]


def base_run():
    if not os.path.exists(RUN):
        T.good("score", CORPUS, "--model", T.model, "--out", RUN, *NULL)
    return RUN


def wait_for(process, condition):
    """Whether the condition came true while the process ran."""
    while process.poll() is None:
        if condition():
            return True
    return False


DONE = ["index.bin", "log.jsonl", "run.json", "scores.h5"]


def names_of(run):
    return [os.path.relpath(path, run) for path in files_of(run)]


def journaled(run):
    """Units stand in a journal of the run: more than the frame that names the run."""
    return any("journal-" in path and os.path.getsize(path) > 4096 for path in files_of(run))


def killed_while_unpacking():
    # Blanks behind the array: valid, small when packed, and they take a while to unpack.
    packed = gzip.compress(tap.array(ROWS).encode() + b" " * (120 << 20), compresslevel=1, mtime=0)
    corpus = T.write("big.json.gz", packed)
    run = T.path("run-killed")
    words = ["score", corpus, "--model", T.model, "--out", run, *NULL]
    for attempt in range(2):
        process = begin(words)
        assert wait_for(process, lambda: os.path.isdir(run + "/corpus") and temporary(run + "/corpus")), "too fast to kill"
        process.kill()
        process.stderr.read()
        process.wait()
        # What the first attempt left is gone when the second one is killed.
        names = names_of(run)
        assert len(names) == 2 and names[1] == "lock" and len(temporary(run)) == 1, (attempt, names)
    assert T.good(*words)
    names = names_of(run)
    assert names[0].startswith("corpus/") and names[0].endswith(".plain") and names[1:] == DONE, names


def killed_while_scoring():
    """A killed run leaves its lock and its journal; a dry run changes nothing, the same command goes on."""
    run = T.path("run-killed-late")
    words = ["score", T.write("long.json", tap.array(ROWS * 60)), "--model", T.model, "--out", run]
    process = begin(words)
    assert wait_for(process, lambda: journaled(run)), "too fast to kill"
    process.kill()
    process.stderr.read()
    process.wait()
    before = names_of(run)
    assert before == ["index.bin", "journal-1.bin", "lock", "log.jsonl", "run.json"], before
    T.good(*words, "--dry-run")
    assert names_of(run) == before, "a dry run changes nothing"
    process = begin(words)
    assert wait_for(process, lambda: os.path.exists(run + "/journal-2.bin"))
    process.terminate()
    assert "SIGTERM" in process.stderr.read() and process.wait() == 75
    assert "lock" not in names_of(run) and not temporary(run), names_of(run)


def foreign():
    """What is not ours is never taken for a killed start."""
    run = T.path("foreign")
    for name in ("corpus/mine.plain", "corpus/notes.txt", "run.json.tmp.mine"):
        shutil.rmtree(run, ignore_errors=True)
        T.write("foreign/" + name, "mine")
        if name.endswith(".txt"):
            T.write("foreign/lock", "")
        before = files_of(run)
        T.wrong(2, ["is not empty", "--out"], "score", CORPUS, "--model", T.model, "--out", run)
        assert files_of(run) == before, files_of(run)


def limited(blocks, *words):
    """Run with `ulimit -f`: blocks of 512 or 1,024 bytes."""
    done = subprocess.run(["sh", "-c", f'ulimit -f {blocks} && exec "$@"', "sh", T.winnow, *words], capture_output=True,
                          text=True, cwd=T.folder)
    return done.returncode, done.stderr


def file_limit():
    out = T.path("limited")
    corpus = T.write("packed.json.gz", tap.gz(tap.array(ROWS * 10)))
    subset = T.path("limited-subset/best.json")
    os.makedirs(os.path.dirname(subset))
    cases = [(16, ["score", CORPUS, "--model", T.model, "--out", out, *NULL]),
             (16, ["score", corpus, "--model", T.model, "--out", out, *NULL]),
             (4, ["select", base_run(), "--above", "-1e300", "-o", subset])]
    for blocks, words in cases:
        code, err = limited(blocks, *words)
        assert code == 5 and "winnow: error: " in err and "cannot be written" in err, (words, code, err)
        assert not temporary(out) and not files_of(os.path.dirname(subset)), (words, files_of(T.folder))
        shutil.rmtree(out, ignore_errors=True)


def reader_gone():
    for words in (["help", "--man"], ["check", CORPUS, "--model", T.model, "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([T.winnow, *words], stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert done.returncode == 5 and "stdout cannot be written" in done.stderr, (done.returncode, done.stderr)


def signals_at_once():
    """A signal that waits already when the program begins: every command stops with 75 and leaves nothing."""
    folder = T.path("at-once")
    os.makedirs(folder)
    run = base_run()
    commands = [["score", CORPUS, "--model", T.model, "--out", folder + "/run"],
                ["select", run, "--number", "5", "-o", folder + "/best.json"],
                ["check", CORPUS, "--model", T.model]]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        def pend(number=number):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_BLOCK, [number])
            os.kill(os.getpid(), number)
        for words in commands:
            process = begin(words, preexec_fn=pend)
            err = process.stderr.read()
            assert process.wait(timeout=60) == 75 and number.name in err, (words[0], number, process.returncode, err)
            assert not files_of(folder), files_of(folder)


def signals_while_scoring():
    corpus = T.write("long.json", tap.array(ROWS * 60))
    run = T.path("run-long")
    for number in (signal.SIGHUP, signal.SIGUSR1):
        process = begin(["score", corpus, "--model", T.model, "--out", run])
        assert wait_for(process, lambda: os.path.isdir(run) and journaled(run))
        process.send_signal(number)
        process.send_signal(number)
        err = process.stderr.read()
        assert process.wait(timeout=60) == 75 and number.name in err, (process.returncode, err)
        assert not temporary(run) and "lock" not in names_of(run) and "scores.h5" not in names_of(run), names_of(run)
        shutil.rmtree(run)


def signals_while_selecting():
    corpus, run, folder = T.write("many.jsonl", tap.lines(ROWS) * 300), T.path("run-many"), T.path("selected")
    T.good("score", corpus, "--model", T.model, "--out", run, "--max-length", "8", *NULL)
    os.makedirs(folder)
    stopped = 0
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) * 3:
        shutil.rmtree(folder)
        os.makedirs(folder)
        process = begin(["select", run, "--above", "-1e300", "--with-scores", "-o", folder + "/all.jsonl"])
        wait_for(process, lambda: temporary(folder))
        process.send_signal(number)
        err = process.stderr.read()
        code = process.wait(timeout=60)
        assert code == 0 or (code == 75 and number.name in err), (code, err)
        assert not temporary(folder), files_of(folder)
        assert len(files_of(folder)) == (4 if code == 0 else 0), (code, files_of(folder))
        stopped += code == 75
    assert stopped > 0, "no signal arrived in time"


T.test("a run killed while it unpacks goes on, and what it left is removed", killed_while_unpacking)
T.test("a run killed while it scores leaves its journal, and a dry run changes nothing", killed_while_scoring)
T.test("other people's files are never taken for those of a killed start", foreign)
T.test("a limit on the size of files is code 5 with a message and no temporary file", file_limit)
T.test("a reader of stdout that went away is code 5, not a crash", reader_gone)
T.test("score, select and check stop with 75 by INT, TERM, HUP and USR1", signals_at_once)
T.test("SIGHUP and SIGUSR1 stop a score with 75 and leave no temporary file", signals_while_scoring)
T.test("signals stop a selection with 75 and leave no file, or come too late", signals_while_selecting)
T.end()
