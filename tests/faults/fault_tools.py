"""What the fault tests share: starting the program with a fault on order, watching it, looking into a run directory.

SPDX-License-Identifier: Apache-2.0
usage of a test: NAME.py WINNOW SOURCE_DIR SHARED_DIR HOOK_LIBRARY [--long] [--only WORDS]
--only WORDS: only the tests with these words in their names.
"""
import errno
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.abspath(sys.argv[2]), "tests", "cli"))
import tap  # noqa: E402  (found by the line above)

FRAME_MAGIC = 0x31464E57
FRAME_RUN, FRAME_UNIT, FRAME_EVENT = 1, 2, 3
# No process of a test may live longer, whatever happens to it.
LONGEST = 120


class Running:
    """A started program: its messages go to a file, so that it never waits for a reader."""

    def __init__(self, tests, words, fault=None, trace=None, env=None, **how):
        Running.number = getattr(Running, "number", 0) + 1
        self.words = [str(word) for word in words]
        self.fault = fault
        self.err_path = tests.path(f"messages/{Running.number}.err")
        self.out_path = tests.path(f"messages/{Running.number}.out")
        self.seen_path = tests.path(f"messages/{Running.number}.seen")
        os.makedirs(os.path.dirname(self.err_path), exist_ok=True)
        places = {**os.environ, "TERM": "dumb", **(env or {})}
        if fault or trace:
            places["LD_PRELOAD"] = tests.hook
            places["WINNOW_FAULT_SEEN"] = self.seen_path
        if fault:
            places["WINNOW_FAULT"] = ",".join([fault] if isinstance(fault, str) else fault)
        if trace:
            places["WINNOW_FAULT_TRACE"] = trace
        self.begun = time.monotonic()
        with open(self.err_path, "wb") as err, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([tests.winnow, *self.words], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, env=places, cwd=tests.folder, start_new_session=True, **how)
        self.pid = self.process.pid

    def wait(self, timeout=LONGEST):
        """The exit code, negative for a signal; a program that does not end is killed and is a failure."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"has not ended within {timeout} s: {self}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def send(self, number):
        self.process.send_signal(number)

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def seconds(self):
        return time.monotonic() - self.begun

    @property
    def err(self):
        with open(self.err_path, errors="replace") as text:
            return text.read()

    @property
    def out(self):
        with open(self.out_path, errors="replace") as text:
            return text.read()

    @property
    def seen(self):
        """The faults that came, one a line."""
        if not os.path.exists(self.seen_path):
            return []
        with open(self.seen_path) as lines:
            return lines.read().splitlines()

    def __str__(self):
        """The command as it can be typed, and the end of its messages."""
        orders = ",".join([self.fault] if isinstance(self.fault, str) else self.fault or [])
        fault = f"WINNOW_FAULT='{orders}' " if orders else ""
        return f"{fault}winnow {' '.join(self.words)}\n" + "\n".join(self.err.splitlines()[-6:])


class Tests(tap.Tests):
    def __init__(self):
        super().__init__()
        self.hook = os.path.abspath(sys.argv[4]) if len(sys.argv) > 4 else ""
        self.is_long = "--long" in sys.argv
        self.only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
        self.started = []
        self.mounts = []
        # Other users read here in one test.
        os.chmod(self.folder, 0o755)

    def test(self, name, function, needs_model=True):
        if self.only in name:
            super().test(name, function, needs_model)

    def score(self, corpus, run, *more, device="null", model=None):
        files = [corpus] if isinstance(corpus, str) else list(corpus)
        return ["score", *files, "--model", model or self.model, "--out", run, "--device", device, "--sync", "0.2",
                *map(str, more)]

    def start(self, words, **how):
        self.started = [one for one in self.started if one.is_running]
        one = Running(self, words, **how)
        self.started.append(one)
        return one

    def ended(self, words, code=0, timeout=LONGEST, **how):
        """Run to the end: the code is `code`."""
        one = self.start(words, **how)
        got = one.wait(timeout)
        assert got == code, f"code {got} instead of {code}: {one}"
        return one

    def wrong(self, wanted, says, words, timeout=LONGEST, **how):
        """Ends with code `wanted`; its error line holds each text of `says`, and the mend is said in it or as a hint."""
        one = self.ended(words, wanted, timeout, **how)
        line = next((text for text in one.err.splitlines() if text.startswith("winnow: error: ")), "")
        for text in says:
            assert text in line, f"the error does not say {text!r}: {one}"
        return one

    def digest(self, run):
        return self.ended(["inspect", "scores", run, "--digest"]).out.strip()

    def status(self, run, codes=(0, 75)):
        one = self.start(["status", run, "--json"])
        code = one.wait(30)
        assert code in codes, f"code {code}: {one}"
        return code, json.loads(one.out) if code in (0, 75) else None

    def copy(self, run, to):
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(run, to, symlinks=True)
        return to

    def fresh(self, name):
        path = self.path(name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def nothing_left(self):
        left = [str(one) for one in self.started if one.is_running]
        assert not left, left

    def end(self):
        for one in self.started:
            one.kill()
        for place in reversed(self.mounts):
            subprocess.run(["umount", "-l", place], check=False)
        super().end()


def until(condition, seconds=30, process=None, pause=0.002):
    """Whether the condition came true in time (and while the process ran)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if process is not None and not process.is_running:
            return bool(condition())
        time.sleep(pause)
    return False


def journals(run):
    """The journals of a run, in the order of their epochs."""
    try:
        names = [name for name in os.listdir(run) if re.fullmatch(r"journal-\d+\.bin", name)]
    except FileNotFoundError:
        return []
    return [os.path.join(run, name) for name in sorted(names, key=lambda name: int(name[8:-4]))]


def frames(path):
    """(offset, kind, whole size) of every frame, as far as they are whole."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    found, at = [], 0
    while len(data) - at >= 24:
        magic, kind, size = struct.unpack_from("<IIQ", data, at)
        if magic != FRAME_MAGIC or size > len(data) - at - 24:
            break
        found.append((at, kind, 24 + size))
        at += 24 + size
    return found


def units_of(run):
    """How many units stand in the journals of a run."""
    return sum(kind == FRAME_UNIT for path in journals(run) for _, kind, _ in frames(path))


def events(run):
    """The lines of the log, without what a kill tore."""
    found = []
    try:
        with open(os.path.join(run, "log.jsonl"), errors="replace") as log:
            for line in log:
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
    except FileNotFoundError:
        pass
    return found


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def contents(folder):
    """Every file with its bytes."""
    found = {}
    for name in files_of(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def finished_well(run, after=""):
    """What a finished run leaves: nothing temporary, no journal, no lock."""
    extra = [name for name in files_of(run)
             if name not in ("run.json", "index.bin", "log.jsonl", "scores.h5") and not name.startswith("corpus/")]
    extra += [name for name in files_of(run) if ".tmp." in name and name not in extra]
    assert not extra, f"{run} has files left over: {extra} {after}"
    assert os.path.exists(os.path.join(run, "scores.h5"))


class Each:
    """Goes through all cases before it fails, so that one run of a test shows all that is wrong."""

    def __init__(self):
        self.faults = []

    def __call__(self, case, function, *arguments):
        try:
            return function(*arguments)
        except AssertionError as fault:
            self.faults.append(f"{case}: {fault}")
            return False

    def end(self):
        assert not self.faults, f"{len(self.faults)} cases failed:\n" + "\n".join(self.faults)


def resident(pid, field="VmRSS"):
    """Bytes, or 0 where the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            for line in lines:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def state_of(pid):
    """R, S, D, T, Z, or "" where the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as text:
            return text.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return ""


__all__ = [name for name in dir() if not name.startswith("__")]
