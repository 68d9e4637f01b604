#!/usr/bin/env python3
"""The program built with the thread sanitizer: whole runs, a stopped one and one that goes on. Writes TAP.

SPDX-License-Identifier: Apache-2.0
usage: run_threads.py WINNOW SOURCE_DIR SHARED_DIR
"""
from fault_tools import *

T = Tests()
# One report is enough to end with this code, which is none of the program's.
RACE = 66
PLACES = {"TSAN_OPTIONS": f"exitcode={RACE} halt_on_error=0 second_deadlock_stack=1 "
                          f"suppressions={os.path.join(T.source, 'tests/faults/threads.supp')}"}
CORPUS = T.write("corpus.jsonl", tap.lines(tap.records(3000)))
PACKED = T.write("corpus.jsonl.gz", tap.gz(tap.lines(tap.records(3000))))


def clean(words, codes=(0,), stop=None):
    one = T.start(words, env=PLACES)
    if stop is not None:
        number, units = stop
        until(lambda: units_of(words[words.index("--out") + 1]) >= units, 60, one)
        if one.is_running:
            one.send(number)
    code = one.wait(300)
    assert "ThreadSanitizer" not in one.err, f"code {code}: {one.err[:6000]}"
    assert code in codes, f"code {code}: {one}"
    return code


def whole_runs():
    for corpus, options in ((CORPUS, []), (CORPUS, ["--keep-token-losses", "--readers", "3", "--threads", "2"]), (PACKED, [])):
        clean(T.score(corpus, T.fresh("run"), *options))
    clean(T.score(CORPUS, T.path("run-cpu"), "--limit", "60", "--threads", "2", device="cpu"))


def stopped():
    digest = None
    clean(T.score(CORPUS, T.path("whole")))
    digest = T.digest(T.path("whole"))
    stops = 0
    for units in (1, 2, 4):
        run = T.fresh("stopped")
        words = T.score(CORPUS, run)
        stops += clean(words, codes=(0, 75), stop=(signal.SIGTERM, units)) == 75
        clean(words)
        assert T.digest(run) == digest
    assert stops > 0, "no signal came in time"


def failing():
    """Ends by an error of the line: every queue is closed, every thread joined."""
    bad = T.write("bad.jsonl", tap.lines(tap.records(500)) + "{broken\n" * 100)
    clean(T.score(bad, T.fresh("bad"), "--max-bad", "1"), codes=(3,))
    clean(T.score(bad, T.fresh("strict"), "--strict"), codes=(3,))
    clean(T.score(CORPUS, T.fresh("limit"), "--time-limit", "1", device="cpu"), codes=(75,))


T.test("whole runs have no race", whole_runs)
T.test("a stopped run and the one that goes on have no race", stopped)
T.test("runs that fail have no race", failing)
T.test("no process is left", T.nothing_left, needs_model=False)
T.end()
