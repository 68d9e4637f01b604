"""Read a scores.h5 as its users do, or spoil one. Usage: scores_with_h5py.py MODE FILE.
SPDX-License-Identifier: Apache-2.0

MODE check: every dataset is what docs/file-format.md promises. Any other MODE changes FILE so that it must be refused.
"""
import sys

import h5py
import numpy as np

STATUS = ["ok", "truncated", "empty_answer", "no_answer_tokens", "nan", "parse_error", "no_instruction", "unsupported",
          "overlength_skipped", "error"]


def check(path):
    with h5py.File(path, "r") as f:
        n = int(f.attrs["n_records"])
        assert f.attrs["schema"] == b"winnow.scores" and f.attrs["schema_version"] == b"1"
        assert f.attrs["profile"].decode("utf-8") == "größe 数据"
        assert f["provenance"].attrs["host"] == b"node1"
        names = []
        f.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            d = f[name]
            assert d.attrs["units"] and d.attrs["description"], name
            assert d.ndim == 1 and d.dtype.byteorder in "<|=", name
            if d.size:
                assert d.chunks == (min(65536, d.size),) or d.maxshape == (None,), (name, d.chunks)
                assert d.compression == "gzip" and d.shuffle and d.fletcher32, name
        s = {k: d[:] for k, d in f["samples"].items()}
        assert all(len(v) == n for v in s.values())
        assert h5py.check_enum_dtype(f["samples/status"].dtype) == {t: i for i, t in enumerate(STATUS)}
        assert (s["index"] == np.arange(n)).all()
        kinds = {"index": "<u8", "id_hash": "<u8", "file": "<u2", "offset": "<u8", "length": "<u4", "n_cond": "<u4",
                 "first_direct": "<u4", "counted": "<u4", "sum_cond": "<f8", "rank": "<u8", "rifd_ppl": "<f8"}
        assert all(s[k].dtype == np.dtype(v) for k, v in kinds.items())
        with np.errstate(all="ignore"):
            for a, b in (("cond", "direct"), ("q_cond", "q_direct")):
                for side in (a, b):
                    loss = np.where(s["k_" + side] > 0, s["sum_" + side] / s["k_" + side], np.nan)
                    assert np.array_equal(loss, s["loss_" + side], equal_nan=True)
            scored = s["status"] <= 1
            ifd = np.where(scored, s["loss_cond"] / s["loss_direct"], np.nan)
            assert np.array_equal(ifd, s["ifd_loss"], equal_nan=True)
        order = np.lexsort((s["index"], -s["ifd_ppl"]))
        order = order[np.isfinite(s["ifd_ppl"][order])]
        assert (s["rank"][order] == np.arange(len(order))).all()
        assert (s["rank"] == 2**64 - 1).sum() == n - len(order)
        for side in ("cond", "direct"):
            offsets = f["tokens"][side]["offsets"][:]
            ids, losses = f["tokens"][side]["token_id"][:], f["tokens"][side]["loss"][:]
            assert (np.diff(offsets) == s["k_" + side]).all() and offsets[0] == 0
            assert len(ids) == len(losses) == offsets[-1]
            for i in range(0, n, 97):
                part = ids[offsets[i]:offsets[i + 1]]
                assert (part == i * 3 + np.arange(len(part))).all()
                assert (losses[offsets[i]:offsets[i + 1]] == np.arange(len(part)) / 8).all()
        if n:
            t = {k: d[:] for k, d in f["turns"].items()}
            assert (t["record"] == np.repeat(np.arange(4, n, 5), 3)).all()
            assert (t["part"] == np.tile([0, 1, 2], len(t["part"]) // 3)).all()
            assert "rank" not in t and "rifd_loss" in t and h5py.check_enum_dtype(f["turns/status"].dtype)
        else:
            assert "turns" not in f


def replace(f, name, data, **options):
    del f["samples"][name]
    f["samples"].create_dataset(name, data=data, **options)


def spoil(mode, path):
    with h5py.File(path, "r+") as f:
        s = f["samples"]
        n = len(s["index"])
        text = lambda t: np.array(t.encode(), dtype="S%d" % len(t))
        if mode == "no-schema":
            del f.attrs["schema"]
        elif mode == "other-schema":
            f.attrs["schema"] = text("other.scores")
        elif mode == "number-schema":
            f.attrs["schema"] = 1
        elif mode == "newer-version":
            f.attrs["schema_version"] = text("2")
        elif mode == "missing-column":
            del s["loss_cond"]
        elif mode == "no-samples":
            del f["samples"]
        elif mode == "samples-is-dataset":
            del f["samples"]
            f["samples"] = np.zeros(n)
        elif mode == "wrong-type":
            replace(f, "ifd_ppl", np.zeros(n, "<f4"))
        elif mode == "big-endian":
            replace(f, "ifd_ppl", np.zeros(n, ">f8"))
        elif mode == "other-enum":
            replace(f, "status", np.zeros(n, "u1"), dtype=h5py.enum_dtype({"ok": 0, "bad": 1}, basetype="u1"))
        elif mode == "two-dimensions":
            replace(f, "ifd_ppl", np.zeros((n, 1)))
        elif mode == "scalar":
            replace(f, "ifd_ppl", 1.0)
        elif mode == "shorter-column":
            replace(f, "ifd_loss", np.zeros(n - 1))
        elif mode == "wrong-count":
            f.attrs["n_records"] = text("51")
        elif mode == "soft-link":
            del s["ifd_ppl"]
            s["ifd_ppl"] = h5py.SoftLink("/samples/ifd_loss")
        elif mode == "external-link":
            del s["ifd_ppl"]
            s["ifd_ppl"] = h5py.ExternalLink("/etc/passwd", "/samples/ifd_ppl")
        elif mode == "external-bytes":
            replace(f, "ifd_ppl", None, shape=(n,), dtype="<f8", external=[("/etc/passwd", 0, 8 * n)])
        elif mode == "other-filter":
            replace(f, "ifd_ppl", np.zeros(n), compression="lzf")
        elif mode == "huge-promise":
            for name in list(s):
                kind = s[name].dtype
                del s[name]
                s.create_dataset(name, shape=(2**40,), dtype=kind, chunks=(65536,))
        elif mode == "huge-chunk":
            replace(f, "ifd_ppl", None, shape=(n,), dtype="<f8", chunks=(2**28,), maxshape=(None,))
        elif mode == "group-for-column":
            del s["ifd_ppl"]
            s.create_group("ifd_ppl")
        elif mode == "note":
            f.attrs["note"] = "of variable length"
            s["ifd_ppl"].attrs["seen"] = True
        elif mode == "cycle":
            s["again"] = f["samples"]
        else:
            raise SystemExit("unknown mode " + mode)


if sys.argv[1] == "check":
    check(sys.argv[2])
else:
    spoil(sys.argv[1], sys.argv[2])
