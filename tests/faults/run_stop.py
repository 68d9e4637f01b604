#!/usr/bin/env python3
"""Stopping and failing: signals, time limits, slow and hanging disks, full ones, and what vanishes. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
import gzip

from fault_tools import *

T = Tests()
ROWS = tap.records(1500)
PLAIN = T.write("corpus.jsonl", tap.lines(ROWS))
PACKED = T.write("corpus.jsonl.gz", tap.gz(tap.lines(ROWS)))
# The true model on the CPU is slow enough to be stopped in the middle.
SLOW = T.write("slow.jsonl", tap.lines(tap.records(4000)))
LONG = ["--device", "cpu", "--dtype", "f32"]
DIGESTS = {}


def whole(corpus=PLAIN, *options):
    key = (corpus, *options)
    if key not in DIGESTS:
        T.ended(T.score(corpus, T.fresh("whole"), *options))
        DIGESTS[key] = T.digest(T.path("whole"))
    return DIGESTS[key]


def goes_on(run, corpus=PLAIN, *options):
    one = T.ended(T.score(corpus, run, *options))
    assert T.digest(run) == whole(corpus, *options), f"the digest differs: {one}"
    finished_well(run)


def at_work(one, run, units=1):
    assert until(lambda: units_of(run) >= units, 60, one), f"no unit was journaled: {one}"


# ---- stopping ----

def stopped_by(number):
    run = T.fresh("stopped")
    one = T.start(T.score(SLOW, run, device="cpu"))
    at_work(one, run)
    begun = time.monotonic()
    one.send(number)
    code = one.wait(15)
    took = time.monotonic() - begun
    assert code == 75 and took < 5, f"code {code} after {took:.1f} s: {one}"
    assert signal.Signals(number).name in one.err, str(one)
    code, status = T.status(run)
    assert code == 75 and 0 < status["done"] < 4000, status
    assert not os.path.exists(run + "/lock") and not os.path.exists(run + "/scores.h5"), files_of(run)
    return run, status["done"]


def stopped_by_signals():
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        run, done = stopped_by(number)
    # What was journaled before is not asked of the model again.
    one = T.start(T.score(SLOW, run, device="cpu"))
    assert until(lambda: len(journals(run)) == 2 and units_of(run) > 0, 30, one), str(one)
    one.send(signal.SIGTERM)
    assert one.wait(15) == 75, str(one)
    _, status = T.status(run)
    assert status["done"] >= done, (status, done)


def stopped_and_gone_on():
    """Stopped again and again by each signal until it is done: the same digest."""
    many = T.write("many.jsonl", tap.lines(tap.records(30000)))
    digest = whole(many)
    run = T.fresh("again")
    stops = 0
    for start in range(40):
        one = T.start(T.score(many, run))
        if start < 12:
            until(lambda: len(journals(run)) > start, 20, one)
            time.sleep(0.01 * start)
            if one.is_running:
                one.send((signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)[start % 3])
        code = one.wait(20)
        assert code in (0, 75), f"code {code}: {one}"
        stops += code == 75
        if code == 0:
            break
    assert stops >= 2 and T.digest(run) == digest, stops
    finished_well(run)


def time_limit():
    run = T.fresh("limit")
    one = T.start(T.score(SLOW, run, "--time-limit", "1", device="cpu"))
    code = one.wait(20)
    assert code == 75 and one.seconds < 1 + 5 + 2, f"code {code} after {one.seconds:.1f} s: {one}"
    assert "time limit" in one.err, str(one)
    assert T.status(run)[0] == 75


def second_interrupt():
    """While the first one waits for a sync that does not come back, the second leaves at once."""
    run = T.fresh("second")
    one = T.start(T.score(SLOW, run, device="cpu"), fault="sync:journal-*.bin:1+:sleep=20")
    at_work(one, run)
    assert until(lambda: one.seen, 10, one), "no sync was begun"
    one.send(signal.SIGINT)
    time.sleep(0.5)
    assert one.is_running, f"has not waited for its sync: {one}"
    begun = time.monotonic()
    one.send(signal.SIGINT)
    code = one.wait(10)
    assert code == -signal.SIGINT and time.monotonic() - begun < 1, f"code {code}: {one}"
    assert T.status(run)[0] == 75


# ---- a disk that is slow, or does not answer ----

def slow_sync():
    """A sync of 10 s (6 in the short form) delays no hand-out."""
    seconds = 10 if T.is_long else 6
    run = T.fresh("slow")
    # Never scored to its end: enough for any machine.
    endless = T.write("endless.jsonl", tap.lines(tap.records(60000)))
    one = T.start(T.score(endless, run, "-v", device="cpu"), fault=f"sync:journal-*.bin:2:sleep={seconds}")
    assert until(lambda: len(one.seen) > 0, 60, one), f"no second sync: {one}"
    time.sleep(seconds + 1.0)
    assert one.is_running, f"ended before the sync did: the corpus is too small: {one}"
    one.send(signal.SIGTERM)
    assert one.wait(15) == 75, str(one)
    times = [event["t"] for event in events(run) if event.get("event") == "unit"]
    assert len(times) >= 3, times
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert max(gaps) < 3.5, f"units were handed out at {times}: no gap may be near {seconds} s"


def hanging_sync():
    """A disk that does not answer: the stage's name and code 5, soon after the lease."""
    run = T.fresh("hang")
    one = T.wrong(5, ["journal"], T.score(PLAIN, run, "--lease", "2"), fault="sync:journal-*.bin:1:hang", timeout=30)
    assert 1.5 < one.seconds < 12, f"{one.seconds:.1f} s: {one}"
    goes_on(run)


def hanging_write():
    run = T.fresh("hang-write")
    one = T.wrong(5, ["journal"], T.score(PLAIN, run, "--lease", "2"), fault="write:journal-*.bin:3:hang", timeout=30)
    assert one.seconds < 12, f"{one.seconds:.1f} s: {one}"
    goes_on(run)


def hangs_at(name):
    run = T.fresh("hang-stage")
    one = T.start(T.score(PLAIN, run, "--lease", "2"), fault=f"name:{name}:1:hang")
    code = one.wait(40)
    # Where several threads do the same work the others may finish it.
    assert code != 0 or name == "reading", f"{name} hung and the run ended with 0: {one}"
    if code != 0:
        assert code in (1, 5, 6) and name in one.err, f"code {code}: {one}"
    if not os.path.exists(run + "/scores.h5"):
        goes_on(run)


def hanging_stage():
    """Each thread of the line that hangs where it begins ends the run with its name."""
    each = Each()
    for name in thread_names():
        each(name, hangs_at, name)
    each.end()


def thread_names():
    trace = T.path("threads")
    T.ended(T.score(PLAIN, T.fresh("threads-run")), trace=trace)
    with open(trace, errors="replace") as lines:
        found = {line.split(" ")[1] for line in lines if line.startswith("name ")}
    found -= {name for name in found if "lock" in name or "stop" in name or "winnow" in name}
    assert {"packing", "model", "reduction", "journal"} <= found, found
    return sorted(found)


def memory_gone(name, nth):
    run = T.fresh("memory")
    one = T.start(T.score(PLAIN, run), fault=f"memory@{name}::{nth}+:ENOMEM")
    code = one.wait(60)
    if code == 0:
        # What could do without that memory is done; the result is right.
        assert T.digest(run) == whole(), str(one)
        return
    assert code == 6 and "memory" in one.err and name in one.err, f"code {code}: {one}"
    goes_on(run)


def failing_stage():
    """Memory that runs out in one thread: code 6 and the stage's name, no crash, and the same command goes on."""
    each = Each()
    for name in ("reading", "packing", "model", "reduction", "journal", "index"):
        for nth in (1, 2, 5, 40):
            each(f"{name} {nth}", memory_gone, name, nth)
    each.end()


# ---- a disk that fails ----

MENDS = {"ENOSPC": "free", "EDQUOT": "quota", "EIO": "dmesg", "ESTALE": "again", "EROFS": "read-only"}


def failing_calls():
    """Every kind of call on every file of the run, with the errors that file systems give: code 5, what and the mend."""
    places = [("write", "journal-*.bin", 1), ("write", "journal-*.bin", 2), ("write", "journal-*.bin", 5),
              ("sync", "journal-*.bin", 1), ("create", "journal-*.bin", 1), ("write", "index.bin", 1),
              ("create", "index.bin", 1), ("sync", "index.bin", 1), ("create", "scores.h5.tmp.*", 1),
              ("write", "scores.h5.tmp.*", 1), ("write", "scores.h5.tmp.*", 9), ("sync", "scores.h5.tmp.*", 1),
              ("rename", "scores.h5", 1), ("rename", "run.json", 1), ("create", "lock*", 1)]
    each = Each()
    number = 0
    for place, (call, pattern, nth) in enumerate(places):
        errors = list(MENDS) if T.is_long else [list(MENDS)[(2 * place + k) % len(MENDS)] for k in (0, 1)]
        for name in errors:
            number += 1
            each(f"{call}:{pattern}:{nth}:{name}", failing_call, f"{call}:{pattern}:{nth}:{name}", MENDS[name])
    each.end()
    print(f"# {number} places and errors")


def failing_call(fault, mend):
    run = T.fresh("failing")
    one = T.start(T.score(PLAIN, run), fault=fault)
    code = one.wait()
    assert one.seen, f"the fault did not come: {one}"
    assert code == 5, f"code {code} instead of 5: {one}"
    T.status(run, codes=(2, 75))
    assert not os.path.exists(run + "/scores.h5") or T.digest(run) == whole(), str(one)
    goes_on(run)
    line = next((text for text in one.err.splitlines() if text.startswith("winnow: error: ")), "")
    assert run in line and mend in one.err, f"what or the mend is not said ({mend}): {one}"


def failing_for_good():
    """A disk that stays full from some write on: what was journaled before counts."""
    for name in ("ENOSPC", "EIO"):
        run = T.fresh("full-for-good")
        T.wrong(5, [], T.score(PLAIN, run), fault=[f"write:*/{os.path.basename(run)}/*:12+:{name}",
                                                   f"create:*/{os.path.basename(run)}/*:9+:{name}"])
        goes_on(run)


def short_writes():
    """Writes that take half of the bytes, or are interrupted, are no failures."""
    for action in ("short", "EINTR"):
        for pattern in ("journal-*.bin", "index.bin"):
            run = T.fresh("short")
            for nth in ("1", "3"):
                T.start(T.score(PLAIN, run), fault=f"write:{pattern}:{nth}:{action}").wait()
                shutil.rmtree(run)
            one = T.ended(T.score(PLAIN, run), fault=f"write:{pattern}:1:{action}")
            assert one.seen and T.digest(run) == whole(), str(one)
        run = T.fresh("short")
        one = T.ended(T.score(PLAIN, run), fault="sync:journal-*.bin:1:EINTR")
        assert one.seen and T.digest(run) == whole(), str(one)


def locks_that_fail():
    """A file system without locks: the run does not need them."""
    for name in ("ENOLCK", "ENOSYS"):
        run = T.fresh("no-locks")
        T.ended(T.score(PLAIN, run), fault=f"flock:*:1+:{name}")
        assert T.digest(run) == whole()
        finished_well(run)


def renames_that_fail():
    """A file system without hard links still takes a lock."""
    run = T.fresh("no-links")
    one = T.start(T.score(PLAIN, run), fault="link:*:1+:EPERM")
    code = one.wait()
    assert code == 0 or (code == 5 and "lock" in one.err), f"code {code}: {one}"
    goes_on(run)


def full_tmpfs():
    """A true file system that is full: at the journal, at scores.h5, and at the unpacking."""
    place = T.path("small")
    os.makedirs(place)
    for kilobytes, corpus in ((48, PLAIN), (128, PLAIN), (200, PLAIN), (128, PACKED)):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place],
                              capture_output=True, text=True)
        if done.returncode != 0:
            return "mounting needs root"
        T.mounts.append(place)
        run = place + "/run"
        one = T.wrong(5, [place], T.score(corpus, run))
        assert "free" in one.err, str(one)
        assert not os.path.exists(run + "/scores.h5"), files_of(run)
        # The same command goes on once there is room.
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        T.ended(T.score(corpus, run))
        assert T.digest(run) == whole(corpus)
        finished_well(run)
        subprocess.run(["umount", place], check=True)
        T.mounts.remove(place)
    return None


def run_removed():
    """RUN goes in mid run: code 5 or 8 that names it, soon, and nothing is made there again."""
    run = T.fresh("removed")
    one = T.start(T.score(SLOW, run, device="cpu"))
    at_work(one, run)
    os.rename(run, T.fresh("removed-to"))
    code = one.wait(30)
    assert code in (5, 8) and "removed" in one.err, f"code {code}: {one}"
    assert not os.path.exists(run), files_of(run)
    run = T.path("removed-to")
    code, status = T.status(run)
    assert code == 75, status


def read_only():
    """A run directory that may not be written to, and the folder above it."""
    if os.getuid() != 0:
        how = {}
    else:
        how = {"user": 65534, "group": 65534, "extra_groups": []}
    corpus = T.write("open/corpus.jsonl", tap.lines(tap.records(300)))
    above = T.path("closed")
    os.makedirs(above, exist_ok=True)
    os.chmod(above, 0o555)
    T.wrong(5, [above], T.score(corpus, above + "/run"), **how)
    assert not os.listdir(above)
    run = T.fresh("closed-run")
    T.ended(T.score(corpus, run), -signal.SIGKILL, fault="write:journal-*.bin:3:kill-after")
    os.chmod(run, 0o555)
    before = contents(run)
    T.wrong(5, [run], T.score(corpus, run), **how)
    assert contents(run) == before
    code = T.start(["status", run, "--json"], **how).wait(20)
    assert code == 75, code
    os.chmod(run, 0o755)
    goes_on(run, corpus)


def input_shrinks():
    """A corpus that becomes shorter while it is mapped: an error that names it, never a crash."""
    for to, when in ((0, 1), (4096, 1), (0, 3), (70000, 2)):
        corpus = T.write("shrinks.jsonl", tap.lines(tap.records(4000)))
        run = T.fresh("shrinks")
        one = T.start(T.score(corpus, run, device="cpu"))
        at_work(one, run, when)
        os.truncate(corpus, to)
        code = one.wait(60)
        assert code in (3, 5), f"code {code} after a cut to {to}: {one}"
        assert corpus in one.err, f"the file is not named: {one}"
    # With its bytes back the run goes on: the digest is that of an undisturbed one.
    with open(corpus, "wb") as file:
        file.write(tap.lines(tap.records(4000)).encode())
    one = T.start(T.score(corpus, run, device="cpu"))
    assert until(lambda: len(journals(run)) > 1 and units_of(run) > when, 60, one), str(one)
    one.send(signal.SIGTERM)
    assert one.wait(15) == 75, str(one)


def weights_shrink():
    """The model's file is mapped too."""
    model = T.path("model")
    shutil.copytree(T.model, model)
    run = T.fresh("weights")
    one = T.start(T.score(SLOW, run, device="cpu", model=model))
    at_work(one, run)
    os.truncate(model + "/model.safetensors", 4096)
    time.sleep(0.5)
    if one.is_running:
        one.send(signal.SIGTERM)
    code = one.wait(60)
    assert code in (3, 4, 5, 75), f"code {code}: {one}"


def no_room_for_plain():
    """Unpacking is refused beforehand where the file system cannot hold the plain bytes."""
    place = T.path("narrow")
    os.makedirs(place, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode != 0:
        return "mounting needs root"
    T.mounts.append(place)
    blown = T.write("blown.json.gz", gzip.compress(tap.array(ROWS).encode() + b" " * (30 << 20), 1, mtime=0))
    one = T.wrong(5, [], T.score(blown, place + "/run"))
    assert "MB" in one.err, f"the size needed is not said: {one}"
    left = [name for name in files_of(place) if os.path.getsize(os.path.join(place, name)) > 1 << 20]
    assert not left, left
    T.ended(T.score(blown, place + "/run", "--spool", T.path("spool")))
    subprocess.run(["umount", place], check=True)
    T.mounts.remove(place)
    return None


T.test("USR1, TERM and INT end a run within five seconds with 75 and a journal", stopped_by_signals)
T.test("a run that is stopped again and again ends with the same digest", stopped_and_gone_on)
T.test("--time-limit stops as a signal does", time_limit)
T.test("a second INT leaves at once", second_interrupt)
T.test("a slow sync delays no hand-out", slow_sync)
T.test("a sync that hangs ends the run with the stage's name and code 5", hanging_sync)
T.test("a write that hangs ends the run with the stage's name and code 5", hanging_write)
T.test("any stage that hangs ends the run with its name", hanging_stage)
T.test("memory that runs out in a stage ends the run with code 6 and its name", failing_stage)
T.test("errors of the file system are code 5 with the mend, and the same command goes on", failing_calls)
T.test("a disk that stays full or broken is code 5, and what was journaled counts", failing_for_good)
T.test("short and interrupted writes are no failures", short_writes)
T.test("a file system without locks is enough", locks_that_fail)
T.test("a file system without hard links is enough, or is named", renames_that_fail)
T.test("a full file system is code 5, and the same command goes on when there is room", full_tmpfs)
T.test("a run directory that vanishes is an error that names it, and is not made again", run_removed)
T.test("a run directory that may not be written is code 5 and stays as it is", read_only)
T.test("a corpus that shrinks while it is read is an error that names it", input_shrinks)
T.test("weights that shrink end without a crash", weights_shrink)
T.test("plain bytes that do not fit are refused beforehand, with the size", no_room_for_plain)
T.test("no process is left", T.nothing_left, needs_model=False)
T.end()
