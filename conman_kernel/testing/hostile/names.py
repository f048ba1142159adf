"""Names that lead out, names that are too long or too deep, names that are none."""

from __future__ import annotations

from .cases import Accepted, Case, d, f, no, ok, s
from .tars import GNU, file, folder, gnu_link, gnu_name, pax, symlink, tar, whiteout

DEEP = b"/".join([b"d"] * 200)
BEYOND = b"/".join([b"d"] * 300)
NAMED = b"n" * 250
LONG = b"/".join([b"x" * 200] * 8) + b"/end"

CASES = [
    Case("absolute-name", [tar(file(b"/etc/x", b"in"))], Accepted({"etc": d(), "etc/x": f(b"in")})),
    Case("absolute-name-of-the-host", [tar(file(b"/etc/passwd", b"evil"))],
         Accepted({"etc": d(), "etc/passwd": f(b"evil")})),
    Case("many-slashes", [tar(file(b"///a//./b/", b""), file(b"./c/./d", b"1"))],
         Accepted({"a": d(), "a/b": f(b""), "c": d(), "c/d": f(b"1")})),
    Case("dotdot", [tar(file(b"../x", b"out"))], ok(x=f(b"out"))),
    Case("dotdot-deep", [tar(file(b"a/../../../x", b"out"))], ok(x=f(b"out"))),
    Case("dotdot-absolute", [tar(file(b"/../../x", b"out"))], ok(x=f(b"out"))),
    Case("dotdot-to-the-canary", [tar(file(b"../../../../outside/new", b"out"))],
         Accepted({"outside": d(), "outside/new": f(b"out")})),
    Case("dotdot-inside", [tar(folder(b"a/"), file(b"a/../b", b"1"))], ok(a=d(), b=f(b"1"))),
    Case("dotdot-inside-not-there", [tar(file(b"a/../b", b"1"))], ok(b=f(b"1"))),
    Case("dotdot-alone", [tar(folder(b"../", mode=0o700), file(b"x", b"1"))], ok(x=f(b"1"))),
    Case("dotdot-folder", [tar(folder(b"../up/"), file(b"x", b"1"))], ok(up=d(), x=f(b"1"))),
    Case("dotdot-whiteout", [tar(file(b"x", b"1")), tar(file(b"../.wh.x"))], ok()),
    Case("dotdot-opaque", [tar(file(b"x", b"1")), tar(folder(b"a/"), file(b"a/../../.wh..wh..opq"))], ok(a=d())),
    Case("dotdot-in-pax", [tar(pax({b"path": b"../../x"}), file(b"safe", b"1"))], ok(x=f(b"1"))),
    Case("dotdot-in-gnu-name", [tar(gnu_name(b"../../x"), file(b"safe", b"1", magic=GNU))], ok(x=f(b"1"))),
    Case("dotdot-symlink-in-gnu-link", [tar(gnu_link(b"../../../../../outside"), symlink(b"s", b"safe", magic=GNU))],
         ok(s=s("../../../../../outside"))),
    Case("root-attributes", [tar(folder(b"./", mode=0o711, uid=7, gid=8), file(b"x"))],
         Accepted({".": d(0o711, owner=(7, 8)), "x": f(b"")})),
    Case("root-is-a-file", [tar(file(b"./", b"data"), file(b"x"))], ok(x=f(b""))),
    Case("root-is-a-symlink", [tar(symlink(b".", b"/etc"), file(b"x"))], ok(x=f(b""))),
    Case("empty-name", [tar(file(b"", b"data"), file(b"x"))], ok(x=f(b""))),
    Case("name-with-newline-and-escape", [tar(file(b"a\n\x1b[2J", b"1"))], Accepted({"a\n\x1b[2J": f(b"1")})),
    Case("name-not-utf8", [tar(file(b"\xff\xfe", b"1"))], Accepted({"\udcff\udcfe": f(b"1")})),
    Case("name-not-utf8-in-pax", [tar(pax({b"path": b"\xff\xfe"}), file(b"safe", b"1"))],
         Accepted({"\udcff\udcfe": f(b"1")})),
    Case("name-with-backslashes", [tar(file(b"..\\..\\x", b"1"))], Accepted({"..\\..\\x": f(b"1")})),
    Case("name-of-three-dots", [tar(file(b".../x", b"1"))], Accepted({"...": d(), ".../x": f(b"1")})),
    Case("nul-in-pax-path", [tar(pax({b"path": b"a\0b"}), file(b"safe", b"1"))], no("NUL")),
    Case("component-too-long", [tar(gnu_name(b"n" * 300), file(b"n", b"", magic=GNU))], no("too long", "nnn")),
    Case("name-of-250", [tar(gnu_name(NAMED), file(b"n", b"1", magic=GNU))], Accepted({NAMED.decode(): f(b"1")})),
    Case("path-of-1600-bytes", [tar(gnu_name(LONG), file(b"n", b"1", magic=GNU))],
         Accepted({**{LONG[:201 * k - 1].decode(): d() for k in range(1, 9)}, LONG.decode(): f(b"1")})),
    Case("path-over-4095-bytes", [tar(gnu_name(b"y" * 5000), file(b"n", b"", magic=GNU))], no("longer than 4095", "yyy")),
    Case("deep-path-of-200", [tar(pax({b"path": DEEP + b"/x"}), file(b"x", b"1"))],
         Accepted({**{"/".join(["d"] * k): d() for k in range(1, 201)}, DEEP.decode() + "/x": f(b"1")})),
    Case("deep-path-of-300", [tar(pax({b"path": BEYOND + b"/x"}), file(b"x", b"1"))], no("components"),
         limit="256 components of one name"),
    Case("reserved-folder", [tar(file(b".wh.d/f", b"1"))], Accepted({".wh.d": d(), ".wh.d/f": f(b"1")})),
    Case("whiteout-of-dot", [tar(file(b"x")), tar(file(b".wh..", b""))], no("whiteout")),
    Case("whiteout-of-dotdot", [tar(file(b"x")), tar(folder(b"d/"), file(b"d/.wh...", b""))], no("whiteout")),
    Case("whiteout-of-nothing", [tar(file(b"x")), tar(file(b".wh.", b""))], no("whiteout")),
    Case("whiteout-not-there", [tar(file(b"x")), tar(whiteout(b"y"), whiteout(b"q/y"))], ok(x=f(b""))),
]
