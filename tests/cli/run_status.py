#!/usr/bin/env python3
"""status, compare, merge and the space that check announces, as a user at a shell meets them. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import tap

T = tap.Tests()
CORPUS = T.write("corpus.json", tap.array(tap.records(120)))
LONG = T.write("long.jsonl", tap.lines(tap.records(1200)) * 40)


def score(out, *more, corpus=CORPUS):
    return T.good("score", corpus, "--model", T.model, "--device", "null", "--out", T.path(out), *more)


def done():
    score("whole")
    out = T.good("status", T.path("whole"))
    for line in (r"^run +.*whole$", r"^state +done$", r"^model +.*, profile superfiltering$", r"^records +120$",
                 r"^  ok +\d+ +\d+\.\d %$", r"^IFD above 1 +\d+$", r"^begun +20\d\d-"):
        assert re.search(line, out, re.M), (line, out)
    told = T.json("status", T.path("whole"))
    assert told["state"] == "done" and told["is_done"] and not told["is_working"], told
    assert told["done"] == told["total"] == sum(told["status"].values()) == 120 and told["seconds_left"] == 0, told
    assert told["command_line"].startswith("winnow score "), told
    assert T.good("status", "-q", T.path("whole")) == ""
    assert T.good("status", "--watch", T.path("whole")).startswith("done: records 120, 0 bad"), "watch ends at once"


def not_finished():
    """A run that was killed: 75 from status, what is left, and the command that goes on; 0 when it went on."""
    run = T.path("killed")
    words = ["score", LONG, "--model", T.model, "--out", run, "--sync", "0.05"]
    job = subprocess.Popen([T.winnow, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=T.folder)
    try:
        deadline = time.monotonic() + 60
        while True:
            code, out, _ = T.run("status", run, "--json")
            if code == 75 and json.loads(out)["done"] > 0:
                break
            assert job.poll() is None and time.monotonic() < deadline, (job.poll(), out)
            time.sleep(0.05)
        told = json.loads(out)
        assert told["state"] == "working" and told["is_working"] and told["holder"]["pid"] == job.pid, told
        code, out, err = T.run("status", run)
        assert code == 75 and err == "" and re.search(rf"^state +working on .*, pid {job.pid}, since 20", out, re.M), out
        code, out, err = T.run("status", "-q", run)
        assert (code, out, err) == (75, "", "")
    finally:
        job.send_signal(signal.SIGKILL)
        job.wait()
    code, out, err = T.run("status", run)
    assert code == 75 and err == "", (code, err)
    assert re.search(r"^state +not running: the last record was finished \d+:\d\d ago; the same command goes on: "
                     r"winnow score .*--sync 0\.05$", out, re.M), out
    code, out, _ = T.run("status", run, "--json")
    told = json.loads(out)
    assert code == 75 and told["state"] == "not running" and told["seconds_left"] is None, told
    assert 0 < told["done"] < 48000 and told["done"] == sum(told["status"].values()), told


def watched():
    """On a pipe a line per interval; ctrl-C ends it with 75, and leaves the run alone."""
    run = T.path("killed")
    for how in ([], ["--json"]):
        watch = subprocess.Popen([T.winnow, "status", run, "--watch", "--interval", "0.2", *how], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        lines = [watch.stdout.readline() for _ in range(3)]
        watch.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, err = watch.communicate(timeout=20)
        assert watch.returncode == 75 and err == "" and time.monotonic() - begun < 10, (watch.returncode, err)
        for line in lines:
            if how:
                assert json.loads(line)["state"] == "not running", line
            else:
                assert re.fullmatch(r"not running: records [\d,]+ of (at least )?[\d,]+( \(\d+\.\d %\))?, 0 bad\n", line), line


def before_the_first_record():
    os.makedirs(T.path("young"))
    shutil.copy(os.path.join(T.path("whole"), "run.json"), T.path("young"))
    code, out, _ = T.run("status", T.path("young"))
    assert code == 75 and "not started: no record is finished yet; the same command goes on: winnow score" in out, out


def merged():
    """Shards in any order are the run that was not divided."""
    for k in (1, 2, 3):
        out = json.loads(score(f"part{k}", "--shard", f"{k}/3", "--json"))
        assert out["records"] == 40, out
    parts = [T.path(f"part{k}") for k in (3, 1, 2)]
    out = T.good("merge", *parts, "-o", T.path("joined"))
    assert "records  120 from 3 runs" in out, out
    digest = T.good("inspect", "scores", T.path("whole"), "--digest")
    assert T.good("inspect", "scores", T.path("joined"), "--digest") == digest
    assert T.good("status", T.path("joined")).count("done") == 1
    assert T.json("merge", *parts, "-o", T.path("joined.h5"))["records"] == 120
    assert T.good("inspect", "scores", T.path("joined.h5"), "--digest") == digest
    T.wrong(2, ["exists already", "--force"], "merge", *parts, "-o", T.path("joined"))
    T.good("merge", *parts, "-o", T.path("joined"), "--force")
    T.wrong(2, ["is the directory of a run"], "merge", *parts, "-o", T.path("killed"))
    T.wrong(2, ["one of the runs to join"], "merge", *parts, T.path("joined.h5"), "-o", T.path("joined.h5"), "--force")
    T.wrong(2, ["40", "79"], "merge", parts[0], parts[1], "-o", T.path("gap"))
    assert not os.path.exists(T.path("gap"))


def compared():
    out = T.good("compare", T.path("whole"), T.path("joined.h5"))
    for line in (r"^run A +.*, 120 records$", r"^compared +ifd_ppl over \d+ records that have it in both, of 120 in common$",
                 r"^Spearman +1\.000000$", r"^Pearson +1\.000000$", r"^overlap +100\.00 % of the highest \d+ of each$"):
        assert re.search(line, out, re.M), (line, out)
    score("other", "--profile", "cherry-alpaca")
    told = T.json("compare", T.path("whole"), T.path("other"), "--top", "7", "--by", "loss_cond")
    assert told["top"] == 7 and told["by"] == "loss_cond" and -1 <= told["spearman"] < 1, told
    T.good("compare", T.path("whole"), T.path("other"), "--require", "-1")
    T.wrong(9, ["Spearman", "below the 1 of --require"], "compare", T.path("whole"), T.path("other"), "--require", "1")
    T.wrong(2, ["nonsense"], "compare", T.path("whole"), T.path("other"), "--by", "nonsense")
    T.good("score", LONG, "--model", T.model, "--device", "null", "--limit", "50", "--out", T.path("foreign"))
    T.wrong(8, ["different corpora"], "compare", T.path("whole"), T.path("foreign"))


def space():
    """What check announces is not less than what a run leaves, and close enough to be of use."""
    out = T.good("check", LONG, "--model", T.model, "--out", T.path("not/yet"))
    assert re.search(r"^will write +at most .*bytes in \d+ files into .*not/yet \(journal .*scores\.h5 ", out, re.M), out
    assert re.search(r"^free there +.*bytes.*; a quota may allow less$", out, re.M), out
    told = T.json("check", LONG, "--model", T.model, "--out", T.path("not/yet"), "--keep-token-losses")["will_write"]
    assert told["fits"] and told["bytes"] >= sum(told["parts"].values()) and told["folder"] == T.folder, told
    T.good("score", LONG, "--model", T.model, "--device", "null", "--keep-token-losses", "--out", T.path("kept"))
    size = {name: os.path.getsize(os.path.join(T.path("kept"), name)) for name in ("scores.h5", "index.bin")}
    assert size["scores.h5"] <= told["parts"]["scores"], (size, told)
    assert size["index.bin"] <= told["parts"]["index"], (size, told)
    packed = T.write("packed.jsonl.gz", tap.gz(tap.lines(tap.records(50))))
    told = T.json("check", packed, "--model", T.model)["will_write"]
    assert told["parts"]["plain"] == len(tap.lines(tap.records(50)).encode()), told
    T.wrong(2, ["is a file"], "check", CORPUS, "--model", T.model, "--out", CORPUS)


def space_short():
    """A file system that is too small is a warning and no error."""
    tight = T.path("tight")
    os.makedirs(tight)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tight], capture_output=True).returncode != 0:
        return "no file system can be mounted here"
    try:
        code, out, err = T.run("check", CORPUS, "--model", T.model, "--out", os.path.join(tight, "run"))
        assert code == 0 and "NOT ENOUGH" in out, (code, out)
        assert re.search(r"warning: the run will not fit into .*tight: it writes up to .*bytes in \d+ files", err), err
        assert not T.json("check", CORPUS, "--model", T.model, "--out", tight)["will_write"]["fits"]
    finally:
        subprocess.run(["umount", tight], check=True)


T.test("status of a run that is done is 0 and its counts", done)
T.test("status of a run at work and of a killed one is 75 and says how to go on", not_finished)
T.test("--watch says a line per interval and ends by ctrl-C with 75", watched)
T.test("a run without a record yet says so", before_the_first_record)
T.test("shards are divided evenly and merge to the run that was not divided", merged)
T.test("compare says how alike two runs are, and --require fails with 9", compared)
T.test("check says what a run will write", space)
T.test("check warns where it will not fit", space_short)
T.end()
