#!/usr/bin/env python3
"""Options from the environment and from a file, the time limit of a scheduler, and what is said of wrong ones. Writes TAP.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re

import tap

T = tap.Tests()
CORPUS = T.write("corpus.json", tap.array(tap.records(60)))
# Nothing of the shell that runs this test may reach the program.
for name in [n for n in os.environ if n.startswith("WINNOW_") or n == "SLURM_JOB_END_TIME"]:
    del os.environ[name]


def config(name, **members):
    return T.write(name, json.dumps({key.replace("_", "-"): value for key, value in members.items()}))


def precedence():
    """A run is described once, in a file; the environment changes it; what is typed decides."""
    path = config("run.conf", data=[CORPUS], model=T.model, device="null", out=T.path("one"), limit=10, max_length=64)
    told = json.loads(T.good("score", "--config", path, "--json"))
    assert told["records"] == 10 and told["max_length"] == 64, told
    told = json.loads(T.good("score", "--json", env={"WINNOW_CONFIG": path, "WINNOW_LIMIT": "20", "WINNOW_OUT": T.path("two")}))
    assert told["records"] == 20 and told["max_length"] == 64, told
    told = json.loads(T.good("score", "--limit", "30", "--out", T.path("three"), "--json",
                             env={"WINNOW_CONFIG": path, "WINNOW_LIMIT": "20", "WINNOW_MAX_LENGTH": "48"}))
    assert told["records"] == 30 and told["max_length"] == 48, told
    # The same file serves other commands: what is not theirs is passed over.
    assert T.json("check", "--config", path)["records"] == 10
    T.good("status", T.path("one"), "--config", config("with.rate", rate="10%", interval=3, data="x"))


def wrong():
    words = ["score", CORPUS, "--model", "m", "--out", "r"]
    T.wrong(2, ["WINNOW_MAX_BAD", "lots", "0 to 100"], *words, env={"WINNOW_MAX_BAD": "lots"})
    T.wrong(2, ["WINNOW_STRICT", "1, 0, true or false"], *words, env={"WINNOW_STRICT": "on"})
    T.wrong(2, ["--config", "bad.conf", '"profil"', 'did you mean "profile"'], *words, "--config", config("bad.conf", profil="x"))
    T.wrong(2, ["type.conf", '"threads"', "a number", "not boolean"], *words, "--config", config("type.conf", threads=True))
    T.wrong(2, ["range.conf", '"threads"', "from 1 to 4096"], *words, "--config", config("range.conf", threads=0))
    T.wrong(2, ["torn.conf", "byte"], *words, "--config", T.write("torn.conf", '{"threads": 1'))
    T.wrong(5, ["--config", "absent.conf", "there is no such file"], *words, "--config", T.path("absent.conf"))
    T.wrong(5, ["WINNOW_CONFIG", "absent.conf"], *words, env={"WINNOW_CONFIG": T.path("absent.conf")})
    assert not os.path.exists(T.path("r"))
    assert "Examples:" in T.good("score", "--help", env={"WINNOW_CONFIG": T.path("absent.conf")})
    assert T.good("--version", env={"WINNOW_VERSION": "9", "WINNOW_THREADS": "x"}).startswith("winnow")


def time_limits():
    """The end of the scheduler's job is read by itself; an end that is over was inherited and counts for nothing."""
    soon = str(int(__import__("time").time()) + 2 * 3600)
    for limit, env, says in ((None, soon, r"will stop in 1:5\d:\d\d, before the end of the scheduler's job"),
                             ("90m", soon, r"will stop in 1:30:00\n"), ("none", soon, None), (None, "1000", None), (None, "", None)):
        more = ["--time-limit", limit] if limit else []
        code, _, err = T.run("score", CORPUS, "--model", T.model, "--device", "null", "--out", T.path("limit"), *more,
                             env={"SLURM_JOB_END_TIME": env})
        assert code == 0 and (re.search(says, err) if says else "will stop" not in err), (limit, env, err)


def advanced_is_last():
    out = T.good("score", "--help")
    assert out.index("Advanced:") > out.index("General:") and "--beat" in out[out.index("Advanced:"):], out
    assert "WINNOW_MAX_LENGTH" in out and "SLURM_JOB_END_TIME" in out
    for command in ("status", "compare", "merge"):
        assert command in T.good("--help") and f"winnow {command}" in T.good("help", command)
        assert f"winnow {command}" in T.good("--man")


T.test("flags win over the environment, that over the file", precedence)
T.test("wrong values are named with where they stand", wrong, needs_model=False)
T.test("the time limit is that given, or that of the scheduler", time_limits)
T.test("the help has the new commands, and advanced options last", advanced_is_last, needs_model=False)
T.end()
