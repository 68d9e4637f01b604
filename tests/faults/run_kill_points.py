#!/usr/bin/env python3
"""Kills: at every kind of call that changes a run directory, and at random times. Writes TAP.

SPDX-License-Identifier: Apache-2.0
usage: run_kill_points.py WINNOW SOURCE_DIR SHARED_DIR HOOK [--long] [--kills N] [--seed S]
"""
import random
import statistics

from fault_tools import *

T = Tests()


def option(name, usual):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else usual


KILLS = option("--kills", 1000 if T.is_long else 100)
SEED = option("--seed", 20240229)
ROWS = tap.records(1500)
CORPUS = T.write("corpus.jsonl", tap.lines(ROWS))
PACKED = T.write("packed.jsonl.gz", tap.gz(tap.lines(ROWS)))
WHEN = ("kill-before", "kill-inside", "kill-after")

# What the acceptance asks for: call, file, which of its calls. The first, the last and one in the middle of each are
# taken, and of the journal's frames the 1st, 2nd and 5th; each must be there and the kill must come.
WANTED = [
    ("write", "journal-*.bin", (1, 2, 5)),
    ("sync", "journal-*.bin", (1,)),
    ("create", "journal-*.bin", (1,)),
    ("write", "index.bin", "first and last"),
    ("sync", "index.bin", (1,)),
    ("write", "scores.h5.tmp.*", "early, middle, late"),
    ("sync", "scores.h5.tmp.*", "first and last"),
    ("rename", "scores.h5", (1,)),
    ("rename", "run.json", (1,)),
    ("write", "run.json.tmp.*", "first and last"),
    ("unlink", "journal-*.bin", (1,)),
    ("unlink", "lock", (1,)),
]


def calls_of(words, run):
    """How often each kind of call comes on each kind of file of the run, undisturbed: {(call, pattern): n}."""
    trace = T.path("trace")
    if os.path.exists(trace):
        os.remove(trace)
    T.ended(words, trace=trace)
    found = {}
    with open(trace, errors="replace") as lines:
        for line in lines:
            call, rest = line.rstrip("\n").split(" ", 1)
            path = rest.rsplit(" ", 1)[0]
            if call in ("open", "read", "name") or not path.startswith(run + "/"):
                continue
            name = os.path.basename(path)
            # Numbers of processes and epochs, and letters of chance, differ from run to run.
            pattern = re.sub(r"journal-\d+", "journal-*", re.sub(r"\.tmp\..*$", ".tmp.*", name))
            pattern = re.sub(r"^lock\..+$", "lock.*", re.sub(r"^\d+-\d+\.bin$", "*-*.bin", pattern))
            found[call, pattern] = found.get((call, pattern), 0) + 1
    return found


def numbers_of(wanted, n):
    if isinstance(wanted, tuple):
        return wanted
    if wanted == "first and last":
        return sorted({1, n})
    return sorted({1, (n + 1) // 2, n})


def killed_at(words, run, fault, digest):
    """Kill there, then run the same command to the end. False where the kill did not come."""
    shutil.rmtree(run, ignore_errors=True)
    one = T.start(words, fault=fault)
    code = one.wait()
    if code == 0 and not one.seen:
        return False
    assert code == -signal.SIGKILL and one.seen, f"code {code}, faults {one.seen}: {one}"
    T.status(run, codes=(0, 2, 75))
    if os.path.exists(run + "/scores.h5"):
        assert T.digest(run) == digest, f"scores.h5 is there but not whole: {one}"
    T.ended(words)
    assert T.digest(run) == digest, f"the digest differs after {one}"
    finished_well(run, f"after {one}")
    return True


def points(corpus, options, name):
    """Every wanted point; then every other kind of call that was seen on a file of the run, once each."""
    run = T.fresh(name)
    words = T.score(corpus, run, *options)
    found = calls_of(words, run)
    digest = T.digest(run)
    done = missing = 0
    asked = set()
    each = Each()
    for call, pattern, which in WANTED:
        n = found.get((call, pattern), 0)
        asked.add((call, pattern))
        if (call, pattern) == ("sync", "scores.h5.tmp.*") and n == 0:
            # A library may sync through the final name's folder only; then there is nothing here.
            raise AssertionError("scores.h5 is renamed without a sync of its bytes")
        assert n > 0, f"no {call} of {pattern}; seen: {sorted(found)}"
        for number in numbers_of(which, n):
            assert number <= n, f"only {n} times {call} of {pattern}, wanted {number}"
            for when in WHEN:
                fault = f"{call}:{pattern}:{number}:{when}"
                came = each(fault, killed_at, words, run, fault, digest)
                assert came or each.faults, f"the kill did not come: {fault}"
                done += 1
    for call, pattern in sorted(set(found) - asked):
        for when in WHEN[::2]:
            # What depends on time (a touch of the lock, a timed line) may come or not.
            fault = f"{call}:{pattern}:1:{when}"
            came = each(fault, killed_at, words, run, fault, digest)
            done += came
            missing += not came
    each.end()
    print(f"# {name}: {done} kills, {missing} that did not come")
    shutil.rmtree(run)


def plain_points():
    points(CORPUS, [], "plain")


def token_points():
    """With token losses there is a shard: its write and sync come before the journal's."""
    run = T.fresh("tokens")
    words = T.score(CORPUS, run, "--keep-token-losses")
    found = calls_of(words, run)
    digest = T.digest(run)
    shard = [(call, pattern) for call, pattern in found if pattern == "*-*.bin"]
    assert ("write", "*-*.bin") in shard and ("sync", "*-*.bin") in shard, sorted(found)
    for call, pattern in shard:
        for when in WHEN:
            assert killed_at(words, run, f"{call}:{pattern}:1:{when}", digest), (call, when)
    for number in (2, 3):
        assert killed_at(words, run, f"write:*-*.bin:{number}:kill-inside", digest), number
    shutil.rmtree(run)


def packed_points():
    """A compressed corpus is unpacked first: killed in there, and at the file's last step."""
    run = T.fresh("packed")
    words = T.score(PACKED, run)
    found = calls_of(words, run)
    digest = T.digest(run)
    plain = [(call, pattern) for call, pattern in found if ".plain" in pattern]
    assert plain, sorted(found)
    for call, pattern in plain:
        for when in WHEN:
            assert killed_at(words, run, f"{call}:{pattern}:1:{when}", digest), (call, pattern, when)
    shutil.rmtree(run)


def killed_by_time():
    """SIGKILL at uniformly drawn times, the same run again and again until it is done; then the next one."""
    chance = random.Random(SEED)
    big = tap.records(12000)
    plain = T.write("big.jsonl", tap.lines(big))
    array = T.write("big.json", tap.array(big, indent=None))
    packed = T.write("big.jsonl.gz", tap.gz(tap.lines(big)))
    kinds = [("plain", plain, []), ("tokens", plain, ["--keep-token-losses"]), ("array", array, []),
             ("packed", packed, []), ("packed-tokens", packed, ["--keep-token-losses"]), ("plain", plain, [])]
    wholes = {}
    for name, corpus, options in kinds:
        if name in wholes:
            continue
        times, digest = [], ""
        for _ in range(3):
            one = T.ended(T.score(corpus, T.fresh("whole"), *options))
            times.append(one.seconds)
            digest = T.digest(T.path("whole"))
        wholes[name] = statistics.median(times), digest
    kills = late = runs = 0
    each = Each()
    while kills < KILLS:
        name, corpus, options = kinds[runs % len(kinds)]
        duration, digest = wholes[name]
        run = T.fresh("killed")
        words = T.score(corpus, run, *options)
        in_this = 0
        while True:
            one = T.start(words)
            # From the third kill of a run on it is let go on, so that also short times come to an end.
            if kills < KILLS and in_this < 3:
                try:
                    one.process.wait(chance.uniform(0, duration))
                except subprocess.TimeoutExpired:
                    one.process.kill()
            code = one.wait()
            assert code in (0, -signal.SIGKILL), f"code {code} (seed {SEED}, kill {kills}): {one}"
            if code == 0:
                break
            kills += 1
            in_this += 1
            late += units_of(run) > 0 or os.path.exists(run + "/scores.h5")
        got = T.digest(run)
        assert got == digest, f"digest {got} instead of {digest} (seed {SEED}, run {runs} {name}, kill {kills}): {one}"
        each(f"run {runs}, kill {kills}", finished_well, run)
        runs += 1
    shown = ", ".join(f"{name} {seconds:.2f} s" for name, (seconds, _) in wholes.items())
    print(f"# {kills} kills, {late} after the first frame, {runs} runs, all digests equal; undisturbed: {shown}")
    each.end()
    assert late * 10 >= kills * 6, f"only {late} of {kills} kills came after the first frame"


T.test("a run killed before, inside and after every kind of call goes on to the same digest", plain_points)
T.test("a run with token losses killed at its shard goes on to the same digest", token_points)
T.test("a compressed corpus killed at its unpacking goes on to the same digest", packed_points)
T.test(f"{KILLS} kills at random times: every resumed run has the same digest", killed_by_time)
T.test("no process is left", T.nothing_left, needs_model=False)
T.end()
