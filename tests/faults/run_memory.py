#!/usr/bin/env python3
"""Memory that stays flat whatever the size of the corpus; in the long form also the guides for time. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
from fault_tools import *

T = Tests()
MIB = 1 << 20
SAMPLE = 0.05
MOST_SECONDS = 3600
BASE = {}


class Watched:
    """A run that is sampled until it ends: the most that it held, of its own and with the files it has mapped."""

    def __init__(self, words, **how):
        self.one = T.start(words, **how)
        self.anonymous = self.resident = self.samples = 0
        while self.one.is_running:
            self.anonymous = max(self.anonymous, resident(self.one.pid, "RssAnon"))
            self.resident = max(self.resident, resident(self.one.pid, "VmRSS"))
            self.samples += 1
            assert self.one.seconds < MOST_SECONDS, f"does not end: {self.one}"
            time.sleep(SAMPLE)
        self.seconds = self.one.seconds
        self.code = self.one.wait()

    def beyond(self):
        """MiB beyond a run of ten records: (own, with mapped files)."""
        anonymous, whole = base()
        return (self.anonymous - anonymous) / MIB, (self.resident - whole) / MIB

    def within(self, limit, name, maps_much=False):
        """`maps_much`: the files it has mapped are not counted; the system takes their pages back when it needs them."""
        own, whole = self.beyond()
        print(f"# {name}: {own:.0f} MiB of its own and {whole:.0f} MiB with mapped files beyond the model, "
              f"limit {limit}; {self.seconds:.1f} s, {self.samples} samples")
        assert own <= limit, f"{own:.0f} MiB of its own beyond the model: {self.one}"
        assert whole <= limit or maps_much, f"{whole:.0f} MiB with mapped files beyond the model: {self.one}"


def base():
    """What the program, the model and ten records take: the least of three runs, held for a moment where it is most."""
    if not BASE:
        corpus = T.write("ten.jsonl", tap.lines(tap.records(10)))
        anonymous, whole = [], []
        for _ in range(3):
            # The last step waits, so that there is something to sample.
            watched = Watched(T.score(corpus, T.fresh("ten")), fault="rename:scores.h5:1:sleep=0.4")
            assert watched.code == 0, str(watched.one)
            anonymous.append(watched.anonymous)
            whole.append(watched.resident)
        BASE["base"] = min(anonymous), min(whole)
        own, whole_base = (size / MIB for size in BASE["base"])
        print(f"# model and program: {own:.0f} MiB of their own, {whole_base:.0f} MiB with mapped files")
    return BASE["base"]


def corpus_of(name, n, tail):
    """n records that are numbered; written in pieces, so that this script stays small too."""
    path = T.path(name)
    piece = 20000
    with open(path, "w", encoding="utf-8") as file:
        for begin in range(0, n, piece):
            numbers = range(begin, min(n, begin + piece))
            file.write("".join(f'{{"instruction": "Say {i} and {i * 7919 % 1000003}.", "input": "", '
                               f'"output": "It is {i * 104729 % 9999991}{tail}"}}\n' for i in numbers))
    return path


def flat(name, n, tail, limit):
    corpus = corpus_of(name + ".jsonl", n, tail)
    run = T.fresh(name)
    print(f"# {name}: {n} records, {os.path.getsize(corpus) / 1e6:.0f} MB")
    # All is journaled, then the process dies: what follows is replay and assembly alone.
    first = Watched(T.score(corpus, run), fault="create:scores.h5.tmp.*:1:kill-before")
    assert first.code == -signal.SIGKILL, f"code {first.code}: {first.one}"
    first.within(limit, "scoring")
    again = Watched(T.score(corpus, run))
    assert again.code == 0, str(again.one)
    again.within(limit, "replay and assembly")
    status = Watched(["status", run, "--json"])
    assert status.code == 0 and json.loads(status.one.out)["done"] == n, status.one.out
    return corpus, run


def short_form():
    flat("short", 200000, ".", 256)


def tokens_kept():
    """Token losses are bulk: they go to the shard and never stay in memory."""
    n = 1000000 if T.is_long else 60000
    corpus = corpus_of("kept.jsonl", n, " and so on" * 8)
    watched = Watched(T.score(corpus, T.fresh("kept"), "--keep-token-losses"))
    assert watched.code == 0, str(watched.one)
    watched.within(256, "token losses kept")
    shutil.rmtree(T.path("kept"))
    os.remove(corpus)


def million():
    corpus, run = flat("million", 1000000, " and so on until the house is there" * 25, 256)
    shutil.rmtree(run)
    os.remove(corpus)


def ten_million():
    corpus, run = flat("ten-million", 10000000, ".", 512)
    chosen = Watched(["select", run, "--rate", "10%", "-o", T.path("best.jsonl")])
    assert chosen.code == 0, str(chosen.one)
    chosen.within(512, "select on 10,000,000 rows (guide 30 s)", maps_much=True)
    shutil.rmtree(run)
    for path in (corpus, T.path("best.jsonl")):
        os.remove(path)


def huge():
    """10 GB: the first unit is handed out within 5 s (guide), long before the index is whole; the index pass takes at
    most twice as long as reading the file."""
    piece = corpus_of("piece.jsonl", 100000, " and so on until the house is there" * 25)
    corpus = T.path("huge.jsonl")
    with open(piece, "rb") as source, open(corpus, "wb") as file:
        data = source.read()
        records = 0
        while file.tell() < 10 * 10**9:
            file.write(data)
            records += 100000
    os.remove(piece)
    run = T.fresh("huge")
    one = T.start(T.score(corpus, run, "-v"))
    first = until(lambda: any(event.get("event") == "unit" for event in events(run)), 60, one)
    took = one.seconds
    index = os.path.getsize(run + "/index.bin")
    assert first, f"no unit within 60 s: {one}"
    at_first = T.status(run)[1]
    time.sleep(5)
    grown = os.path.getsize(run + "/index.bin") > index
    assert grown or not at_first["total_is_final"], "the index was whole before the first unit"
    one.send(signal.SIGTERM)
    assert one.wait(15) == 75, str(one)
    print(f"# 10 GB: first unit after {took:.2f} s (guide 5), index {index} bytes then")
    assert took < 15, f"first unit after {took:.1f} s"
    begun = time.monotonic()
    subprocess.run(f"cat '{corpus}' | wc -c", shell=True, check=True, stdout=subprocess.DEVNULL)
    reading = time.monotonic() - begun
    indexed = Watched(T.score(corpus, T.fresh("huge-index"), "--range", f"{records - 10}:{records}"))
    assert indexed.code == 0, str(indexed.one)
    indexed.within(256, "index pass over 10 GB")
    begun = time.monotonic()
    subprocess.run(f"cat '{corpus}' | wc -c", shell=True, check=True, stdout=subprocess.DEVNULL)
    reading = max(reading, time.monotonic() - begun)
    ratio = reading / indexed.seconds
    print(f"# 10 GB: index pass {indexed.seconds:.1f} s, cat | wc -c {reading:.1f} s, ratio {ratio:.2f}")
    assert ratio >= 0.5, f"the index pass has {ratio:.2f} of the speed of cat | wc -c"
    os.remove(corpus)


if T.is_long:
    T.test("1,000,000 records of 1 KB take at most 256 MiB beyond the model", million)
    T.test("10,000,000 short records take at most 512 MiB, at scoring, replay, assembly and selection", ten_million)
    T.test("10 GB: the first unit is handed out while the index is still made", huge)
else:
    T.test("200,000 records take at most 256 MiB beyond the model", short_form)
T.test("token losses take no memory beyond the limit", tokens_kept)
T.test("no process is left", T.nothing_left, needs_model=False)
T.end()
