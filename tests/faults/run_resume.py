#!/usr/bin/env python3
"""Going on with a run: what may change in between, what is refused, and who may work in it. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
from fault_tools import *

T = Tests()
ROWS = tap.records(3000)
PLAIN = T.write("corpus.jsonl", tap.lines(ROWS))
PACKED = T.write("corpus.jsonl.gz", tap.gz(tap.lines(ROWS)))
HALF = "write:journal-*.bin:4:kill-after"
DIGESTS = {}


def whole(corpus=PLAIN, *options):
    key = (corpus, *options)
    if key not in DIGESTS:
        T.ended(T.score(corpus, T.fresh("whole"), *options))
        DIGESTS[key] = T.digest(T.path("whole"))
    return DIGESTS[key]


def half_done(name, corpus=PLAIN, *options, model=None):
    """A run killed in the middle: some units are in its journal."""
    run = T.fresh(name)
    T.ended(T.score(corpus, run, *options, model=model), -signal.SIGKILL, fault=HALF)
    assert units_of(run) >= 2, files_of(run)
    return run


def goes_on(words, run, digest):
    """Goes on, does not begin anew, and ends with the same digest."""
    before = units_of(run)
    one = T.ended(words)
    assert before > 0 and T.digest(run) == digest, f"the digest differs: {one}"
    finished_well(run)


def moved():
    for name, corpus in (("plain", PLAIN), ("packed", PACKED)):
        digest = whole(corpus)
        for what in ("moved", "renamed", "touched", "copied", "linked"):
            run = half_done(f"{what}-{name}", corpus)
            ending = ".jsonl" + (".gz" if corpus == PACKED else "")
            folder = T.path(f"elsewhere/{what}-{name}")
            os.makedirs(folder)
            place = os.path.join(folder, ("other" if what == "renamed" else "corpus") + ending)
            if what == "linked":
                os.symlink(corpus, place)
            else:
                shutil.copyfile(corpus, place)
            if what == "touched":
                os.utime(place, (1e9, 1e9))
            goes_on(T.score(place, run), run, digest)


def slips():
    """Wrong use and wrong input before the journal is read: what is finished stays, and the right command goes on."""
    run = half_done("slips")
    torn = T.write("torn.jsonl.gz", tap.gz(tap.lines(ROWS))[:5000])
    for words, code in ((T.score(T.path("typo.jsonl"), run), 3), (T.score(PLAIN, run, "--map", "nosuch=x"), 2),
                        (T.score(PLAIN, run, "--range", "50000:60000"), 2), (T.score(PLAIN, run, "--shard", "1/30000"), 2),
                        (T.score(torn, run), 3), (T.score(PLAIN, run, model=T.path("no-model")), 4)):
        before = units_of(run)
        T.ended(words, code)
        assert units_of(run) == before > 0, (words, files_of(run))
    goes_on(T.score(PLAIN, run), run, whole())


def part_before_index():
    """The index is held up; the hundred records are done long before it."""
    run = T.fresh("part")
    one = T.ended(T.score(PLAIN, run, "--limit", 100), fault="write:index.bin:2:sleep=1,write@index:index.bin:1:sleep=2")
    again = T.ended(T.score(PLAIN, run, "--limit", 100))
    assert "finished already" in again.err, f"{one} {again}"
    assert T.digest(run) == whole(PLAIN, "--limit", "100")


def index_gone():
    """Same size, one answer changed, no index to tell: the rows that are there already do."""
    run = half_done("no-index")
    os.remove(run + "/index.bin")
    text = tap.lines(ROWS)
    text = text if isinstance(text, str) else text.decode()
    first = text.index('"output"')
    at = next(i for i in range(first + 12, len(text)) if text[i].isalpha() and text[i].islower())
    other = T.write("other-answer.jsonl", text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1:])
    T.wrong(8, ["record 0"], T.score(other, run))
    assert not os.path.exists(run + "/scores.h5"), files_of(run)


def run_moved():
    run = half_done("before")
    os.rename(run, T.fresh("after"))
    goes_on(T.score(PLAIN, T.path("after")), T.path("after"), whole())


def cut_another_way():
    """Threads, batch height, readers, units' syncs: none of them changes a bit, so all may change in between."""
    run = half_done("other-way", PLAIN, "--threads", "2")
    goes_on(T.score(PLAIN, run, "--threads", "1", "--batch-rows", "512", "--readers", "2"), run, whole())


def finished():
    run = T.fresh("finished")
    T.ended(T.score(PLAIN, run))
    before = contents(run)
    one = T.ended(T.score(PLAIN, run))
    after = contents(run)
    assert "scores.h5" in one.err + one.out and before["scores.h5"] == after["scores.h5"], str(one)
    assert before["run.json"] == after["run.json"]


def refused(run, says, words):
    """Code 8 naming the difference; journals and run.json stay as they are, and the true command still goes on."""
    before = contents(run)
    T.wrong(8, says, words)
    after = contents(run)
    for name in before:
        if name.startswith(("journal-", "run.json", "shards/")):
            assert after.get(name) == before[name], f"{name} was changed by a refused start"


def corpus_changed():
    digest = whole()
    run = half_done("corpus-changed")
    data = open(PLAIN, "rb").read()
    middle = data.index(b"Once", len(data) // 2)
    last = data.rindex(b"the end.")
    cases = [("a byte in the middle", data[:middle] + b"Onze" + data[middle + 4:]),
             ("a byte at the end", data[:last] + b"the eNd." + data[last + 8:]),
             ("a byte at the front", data.replace(b"Say", b"Lay", 1)),
             ("a record more", data + data[:data.index(b"\n") + 1]),
             ("a record less", data[:data.rindex(b"\n", 0, len(data) - 1) + 1]),
             ("empty lines at the end", data + b"\n\n\n")]
    for what, changed in cases:
        other = T.write("changed/corpus.jsonl", changed)
        try:
            refused(run, [other], T.score(other, run))
        except AssertionError as fault:
            raise AssertionError(f"{what}: {fault}") from None
    refused(run, ["file"], T.score([PLAIN, PLAIN], run))
    goes_on(T.score(PLAIN, run), run, digest)


def packed_changed():
    run = half_done("packed-changed", PACKED)
    changed = tap.lines(ROWS).replace("Once", "Onze", 1)
    refused(run, ["jsonl.gz"], T.score(T.write("changed/corpus.jsonl.gz", tap.gz(changed)), run))
    # The same plain bytes packed another way are the same corpus.
    goes_on(T.score(T.write("again/corpus.jsonl.zst", tap.zst(tap.lines(ROWS))), run), run, whole(PACKED))


def recipe_changed():
    run = half_done("recipe", PLAIN, "--max-length", "200")
    other = T.path("other-model")
    shutil.copytree(T.model, other)
    with open(other + "/model.safetensors", "r+b") as file:
        file.seek(-64, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-64, os.SEEK_END)
        file.write(bytes([byte ^ 1]))
    words = T.path("other-words")
    shutil.copytree(T.model, words)
    tokens = json.load(open(words + "/tokenizer.json", encoding="utf-8"))
    vocabulary = tokens["model"]["vocab"]
    first, second = [name for name in vocabulary if len(name) > 3][:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    json.dump(tokens, open(words + "/tokenizer.json", "w", encoding="utf-8"))
    same = ["--max-length", "200"]
    cases = [(["tokenizer"], T.score(PLAIN, run, *same, model=words)),
             (["profile"], T.score(PLAIN, run, *same, "--profile", "cherry-alpaca")),
             (["max-length"], T.score(PLAIN, run, "--max-length", "201")),
             (["max-length"], T.score(PLAIN, run)),
             (["split"], T.score(PLAIN, run, *same, "--split", "offsets")),
             (["aligned"], T.score(PLAIN, run, *same, "--aligned")),
             (["token"], T.score(PLAIN, run, *same, "--keep-token-losses")),
             (["limit"], T.score(PLAIN, run, *same, "--limit", "2999")),
             (["range"], T.score(PLAIN, run, *same, "--range", "1:3000"))]
    for says, command in cases:
        before = contents(run)
        one = T.wrong(8, [], command)
        line = next(text for text in one.err.splitlines() if text.startswith("winnow: error: "))
        plain = line.replace("_", "-").replace(" ", "-").lower()
        assert any(say in plain for say in says) or (says[0] in ("limit", "range") and "record" in plain), str(one)
        after = contents(run)
        assert all(after.get(name) == before[name] for name in before if name.startswith("journal-"))
    goes_on(T.score(PLAIN, run, *same), run, whole(PLAIN, *same))


def numbers_changed():
    """Device and weights decide bits: others are refused by name. (The null device reads no weights.)"""
    corpus = T.write("few.jsonl", tap.lines(tap.records(40)))
    run = T.fresh("class")
    words = T.score(corpus, run, "--dtype", "f32", device="cpu")
    T.ended(words, -signal.SIGKILL, fault="create:scores.h5.tmp.*:1:kill-before")
    refused(run, ["model"], T.score(corpus, run, "--dtype", "f32", device="cpu", model=T.path("other-model")))
    refused(run, ["null"], T.score(corpus, run, "--dtype", "f32", device="null"))
    T.ended(T.score(corpus, T.fresh("class-whole"), "--dtype", "f32", device="cpu"))
    goes_on(words, run, T.digest(T.path("class-whole")))


# ---- who may work in it ----

def held(name, corpus=PLAIN, *options):
    """A job that was stopped by SIGSTOP in the middle of its work: it holds the run."""
    run = T.fresh(name)
    one = T.start(T.score(corpus, run, *options), fault="write:journal-*.bin:4:stop")
    assert until(lambda: state_of(one.pid) == "T", 30, one), f"was not stopped: {one}"
    assert os.path.exists(run + "/lock") and units_of(run) >= 1, files_of(run)
    return run, one


def second_job():
    run, holder = held("second")
    before = contents(run)
    for _ in range(2):
        one = T.wrong(8, [str(holder.pid)], T.score(PLAIN, run))
        assert one.seconds < 2, f"{one.seconds:.1f} s"
        assert os.uname().nodename in one.err, str(one)
    assert contents(run) == before, "a refused job changed the run"
    code, status = T.status(run)
    assert code == 75, status
    holder.send(signal.SIGCONT)
    assert holder.wait() == 0, str(holder)
    assert T.digest(run) == whole()
    finished_well(run)


def second_while_running():
    """Two jobs at the same moment, many times: one wins, the other says 8, the result is right."""
    for attempt in range(8):
        run = T.fresh("race")
        pair = [T.start(T.score(PLAIN, run)) for _ in range(2)]
        codes = sorted(one.wait() for one in pair)
        # A loser that comes after the winner's end finds a finished run.
        assert codes in ([0, 8], [0, 0]), f"attempt {attempt}: {codes}: {pair[0]}\n{pair[1]}"
        assert T.digest(run) == whole(), attempt
        finished_well(run)


def holder_killed():
    run, holder = held("killed")
    holder.kill()
    assert os.path.exists(run + "/lock"), "a killed job cannot have taken its lock away"
    one = T.ended(T.score(PLAIN, run))
    assert one.seconds < 20 and T.digest(run) == whole(), str(one)
    finished_well(run)


def other_host(run):
    """Let the lock say that a job on another host holds it."""
    with open(run + "/lock", "rb") as file:
        text = file.read()
    host = os.uname().nodename.encode()
    assert host in text, text
    boot = open("/proc/sys/kernel/random/boot_id").read().strip().encode()
    space = os.readlink("/proc/self/ns/pid").encode()
    text = text.replace(host, b"h" * len(host)).replace(boot, b"0" * len(boot)).replace(space, b"9" * len(space))
    with open(run + "/lock", "wb") as file:
        file.write(text)


def foreign_host():
    """On another host nobody can ask whether the holder lives: only the age of its last touch tells."""
    run, holder = held("foreign")
    holder.kill()
    other_host(run)
    one = T.wrong(8, ["h" * len(os.uname().nodename)], T.score(PLAIN, run))
    assert one.seconds < 2, f"{one.seconds:.1f} s"
    old = time.time() - 70
    os.utime(run + "/lock", (old, old))
    T.ended(T.score(PLAIN, run))
    assert T.digest(run) == whole()
    finished_well(run)


def fenced(name, take, *more, fault="write:journal-*.bin:4:stop", is_held=False):
    """Stopped in mid run, taken over by another that finishes (or holds it still), woken: ends and has changed nothing.
    Code 8 where another holder stands in the lock; 5 or 8 where that one is through and the lock is gone."""
    run = T.fresh(name)
    first = T.start(T.score(PLAIN, run, *more), fault=fault)
    assert until(lambda: state_of(first.pid) == "T", 30, first), f"was not stopped: {first}"
    if take == "removed":
        os.remove(run + "/lock")
    else:
        # The same host could be asked whether the process lives, so the lock is made another host's.
        other_host(run)
        old = time.time() - 70
        os.utime(run + "/lock", (old, old))
    second = T.start(T.score(PLAIN, run, *more), fault="write:journal-*.bin:5:stop" if is_held else None)
    if is_held:
        assert until(lambda: state_of(second.pid) == "T", 30, second), f"was not stopped: {second}"
    else:
        assert second.wait() == 0, str(second)
    # It looks at the lock again when it has not for a second; no lock is stale after less.
    time.sleep(1.2)
    # A file that the first was making under its own temporary name is no file of the run; it may take it away.
    before = {each: data for each, data in contents(run).items() if ".tmp." not in each}
    first.send(signal.SIGCONT)
    code = first.wait(30)
    after = {each: data for each, data in contents(run).items() if ".tmp." not in each}
    # The one call that it was stopped in goes through when it wakes, in its own journal or shard, where nobody looks for
    # it any more: the next start has read that file already.
    own = ("journal-1.bin", "shards/1-0.bin") if is_held else ()
    assert after.keys() == before.keys(), f"files changed: {sorted(before)} {sorted(after)}: {first}"
    changed = [each for each in before if before[each] != after[each] and each not in own]
    shown = [after[each][len(before[each]):][:600] for each in changed]
    assert not changed, f"a fenced job wrote to {changed}: {shown}: {first}\n{second}"
    for each in own:
        if each in after:
            assert after[each].startswith(before[each]), each
            if each.startswith("journal"):
                assert len(frames(os.path.join(run, each))) <= 4, f"more than the frame it was stopped in: {first}"
    assert code == 8 or (code == 5 and not is_held), f"code {code}: {first}"
    if is_held:
        assert str(second.pid) in first.err, f"the new holder is not named: {first}"
        second.send(signal.SIGCONT)
        assert second.wait() == 0, str(second)
    assert T.digest(run) == whole(PLAIN, *more)


def fenced_held():
    fenced("fenced-held", "removed", is_held=True)
    fenced("fenced-held-aged", "aged", is_held=True)


def fenced_removed():
    fenced("fenced-removed", "removed")


def fenced_aged():
    fenced("fenced-aged", "aged")


def fenced_tokens():
    fenced("fenced-tokens", "aged", "--keep-token-losses", fault="write:*-*.bin:3:stop")


def fenced_at_the_end():
    """Stopped while it writes scores.h5: the other's file stays."""
    fenced("fenced-late", "aged", fault="write:scores.h5.tmp.*:5:stop")
    fenced("fenced-sync", "aged", fault="sync:scores.h5.tmp.*:1:stop")


T.test("a corpus that was moved, renamed, touched or copied goes on, plain and compressed", moved)
T.test("a run directory that was moved goes on", run_moved)
T.test("threads, readers and batch height may change in between", cut_another_way)
T.test("the same command on a finished run changes nothing", finished)
T.test("a slip in the command that goes on takes nothing away", slips)
T.test("a part that is done before the index still has the hash of the whole corpus", part_before_index)
T.test("rows of another corpus are not believed where the index is gone", index_gone)
T.test("another corpus is refused with 8, naming the file, and nothing is touched", corpus_changed)
T.test("another compressed corpus is refused; the same bytes packed another way go on", packed_changed)
T.test("another model, tokenizer, profile, window or range is refused with 8, naming it", recipe_changed)
T.test("other weights or another device are refused with 8, naming them", numbers_changed)
T.test("a second job on one run is refused at once, naming host and pid", second_job)
T.test("two jobs begun at the same moment: one works, the result is right", second_while_running)
T.test("a killed holder's run is taken over at once", holder_killed)
T.test("another host's lock holds until it is old, then it is taken over", foreign_host)
T.test("a job that was stopped and taken over by one that works ends with 8 and names it", fenced_held)
T.test("a job that was stopped while its lock was removed writes nothing after", fenced_removed)
T.test("a job that was stopped and taken over writes nothing after", fenced_aged)
T.test("the same at a shard of token losses", fenced_tokens)
T.test("the same while it makes scores.h5", fenced_at_the_end)
T.test("no process is left", T.nothing_left, needs_model=False)
T.end()
