#!/usr/bin/env python3
"""Journals that are cut and that have wrong bits: the run goes on to the same digest. Writes TAP.

With --long every bit of the journal is run to the end, which takes some hours; --bits N takes N of them.

SPDX-License-Identifier: Apache-2.0
"""
import random

from fault_tools import *

T = Tests()
SEED = 20240301
BITS = int(sys.argv[sys.argv.index("--bits") + 1]) if "--bits" in sys.argv else 0
LOOKED_AT = 2000 if T.is_long else 120
CUTS_TO_THE_END = 60 if T.is_long else 20
# So many records give a journal of about 10 KB in a handful of frames.
CORPUS = T.write("corpus.jsonl", tap.lines(tap.records(90)))
RUN = T.path("run")
WHOLE = {}


def journaled(options=()):
    """A run killed before scores.h5 is begun: its journal has every unit."""
    run = RUN + "-".join(["", *options])
    if run not in WHOLE:
        T.ended(T.score(CORPUS, T.fresh("whole"), *options))
        T.ended(T.score(CORPUS, run, *options), -signal.SIGKILL, fault="create:scores.h5.tmp.*:1:kill-before")
        WHOLE[run] = T.digest(T.path("whole"))
        assert len(journals(run)) == 1 and not os.path.exists(run + "/scores.h5"), files_of(run)
    return run, journals(run)[0], WHOLE[run]


def goes_on(run, digest, options=()):
    one = T.ended(T.score(CORPUS, run, *options, "-v"))
    assert T.digest(run) == digest, f"the digest differs: {one}"
    finished_well(run)


def handed_out(run):
    return sum(event.get("event") == "unit" for event in events(run))


def sizes():
    run, journal, _ = journaled()
    size, n = os.path.getsize(journal), units_of(run)
    print(f"# a journal of {size} bytes, {n} units")
    assert 6000 <= size <= 40000 and n >= 4, (size, n)
    assert sum(whole for _, _, whole in frames(journal)) == size, "the journal does not end with a frame"
    _, status = T.status(run, codes=(75,))
    assert status["done"] == 90, status


def cut_everywhere():
    """Each byte of the last three units' frames: status knows what is left; a sample is run to the end."""
    run, journal, digest = journaled()
    place = T.copy(run, T.path("cut"))
    name = os.path.join(place, os.path.basename(journal))
    every = frames(journal)
    third = [at for at, kind, _ in every if kind == FRAME_UNIT][-3]
    size = os.path.getsize(journal)
    cuts = list(range(size, third - 1, -1))
    looked = cuts if T.is_long else sorted(set(cuts[::max(1, len(cuts) // 150)] + cuts[:30] + cuts[-30:]), reverse=True)
    before = 90
    for at in looked:
        os.truncate(name, at)
        _, status = T.status(place, codes=(75,))
        assert status["done"] <= before, (at, status["done"], before)
        before = status["done"]
    assert before < 90, "nothing was cut"
    chance = random.Random(SEED)
    ends = {third, third + 1, third + 24, size - 1}
    for at in sorted(ends | set(chance.sample(cuts, CUTS_TO_THE_END - len(ends)))):
        T.copy(run, place)
        os.truncate(name, at)
        goes_on(place, digest)
    print(f"# {len(looked)} cuts of {len(cuts)} looked at, {CUTS_TO_THE_END} run to the end")
    shutil.rmtree(place)


def flipped(run, journal, bit, place):
    T.copy(run, place)
    with open(os.path.join(place, os.path.basename(journal)), "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def bits_flipped():
    """Any bit: status never counts too much; run to the end, the unit is handed out again and the digest is the same."""
    run, journal, digest = journaled()
    place = T.path("flipped")
    size = os.path.getsize(journal) * 8
    chance = random.Random(SEED)
    every = frames(journal)
    for bit in chance.sample(range(size), LOOKED_AT):
        flipped(run, journal, bit, place)
        _, status = T.status(place, codes=(75,))
        assert 0 <= status["done"] <= 90, (bit, status)
    # Some in each part of the file on purpose, the others anywhere.
    n = BITS or (size if T.is_long else 200)
    heads = [at * 8 + chance.randrange(24 * 8) for at, _, _ in every][:n // 3]
    for bit in range(size) if n >= size else heads + chance.sample(range(size), n - len(heads)):
        flipped(run, journal, bit, place)
        kind = next(kind for at, kind, whole in every if at <= bit // 8 < at + whole)
        before = handed_out(place)
        goes_on(place, digest)
        if kind == FRAME_UNIT:
            assert handed_out(place) > before, f"bit {bit} of a unit is wrong, and nothing was handed out again"
    print(f"# {LOOKED_AT} bits of {size} looked at, {n} run to the end")
    shutil.rmtree(place)


def shard_damaged():
    """Token losses that a unit names are gone, short or wrong: the unit is handed out again."""
    options = ["--keep-token-losses"]
    run, _, digest = journaled(options)
    place = T.path("shard")
    shards = os.listdir(run + "/shards")
    assert len(shards) == 1, shards
    name = os.path.join(place, "shards", shards[0])
    size = os.path.getsize(os.path.join(run, "shards", shards[0]))
    for what in ("gone", "empty", "half", "last byte", "bit at the front", "bit at the end"):
        T.copy(run, place)
        before = handed_out(place)
        if what == "gone":
            os.remove(name)
        elif what.startswith("bit"):
            with open(name, "r+b") as file:
                file.seek(40 if what.endswith("front") else size - 1)
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 4]))
        else:
            os.truncate(name, {"empty": 0, "half": size // 2, "last byte": size - 1}[what])
        goes_on(place, digest, options)
        assert handed_out(place) > before, what
    shutil.rmtree(place)


def foreign_journal():
    """A journal of another run is refused by name and left alone; what is no journal at all is passed over."""
    run, journal, digest = journaled()
    other = T.path("other")
    T.ended(T.score(T.write("other.jsonl", tap.lines(tap.records(70))), other), -signal.SIGKILL,
            fault="create:scores.h5.tmp.*:1:kill-before")
    place = T.copy(run, T.path("foreign"))
    shutil.copy(journals(other)[0], place + "/journal-7.bin")
    before = contents(place)
    T.wrong(8, ["journal-7.bin"], T.score(CORPUS, place))
    kept = contents(place)
    assert all(kept[name] == before[name] for name in before if name.startswith("journal")), "a journal was changed"
    with open(place + "/journal-7.bin", "wb") as file:
        file.write(random.Random(SEED).randbytes(5000))
    goes_on(place, digest)
    for place in (other, place):
        shutil.rmtree(place)


def index_damaged():
    """An index file that is cut, empty, gone or wrong: made again, the same digest."""
    run, _, digest = journaled()
    place = T.path("index")
    size = os.path.getsize(run + "/index.bin")
    chance = random.Random(SEED)
    cuts = sorted({0, 1, 23, 24, 25, size - 1} | set(chance.sample(range(size), min(size, 4))))
    for at in cuts:
        T.copy(run, place)
        os.truncate(place + "/index.bin", at)
        goes_on(place, digest)
    T.copy(run, place)
    os.remove(place + "/index.bin")
    goes_on(place, digest)
    for bit in chance.sample(range(size * 8), 6):
        T.copy(run, place)
        with open(place + "/index.bin", "r+b") as file:
            file.seek(bit // 8)
            byte = file.read(1)[0]
            file.seek(bit // 8)
            file.write(bytes([byte ^ 1 << bit % 8]))
        goes_on(place, digest)
    shutil.rmtree(place)


def many_starts():
    """Twelve killed starts: the journals do not grow without end, and all that was done counts."""
    corpus = T.write("many.jsonl", tap.lines(tap.records(600)))
    T.ended(T.score(corpus, T.fresh("whole-many")))
    run = T.fresh("many")
    words = T.score(corpus, run)
    most = 0
    for start in range(12):
        one = T.start(words, fault="write:journal-*.bin:3:kill-after")
        assert one.wait() in (0, -signal.SIGKILL), str(one)
        most = max(most, len(journals(run)))
    T.ended(words)
    assert T.digest(run) == T.digest(T.path("whole-many"))
    assert most <= 10, f"{most} journals at one time"
    finished_well(run)


T.test("a small run's journal is whole and has everything", sizes)
T.test("a journal cut at every byte of its last three units goes on", cut_everywhere)
T.test("a journal with any bit wrong goes on, and the damaged unit is handed out again", bits_flipped)
T.test("token losses that are gone, short or wrong are computed again", shard_damaged)
T.test("a journal of another run is refused with 8 and kept; garbage is passed over", foreign_journal)
T.test("an index file that is cut, gone or wrong is made again", index_damaged)
T.test("after twelve killed starts there are at most ten journals, and nothing is lost", many_starts)
T.test("no process is left", T.nothing_left, needs_model=False)
T.end()
