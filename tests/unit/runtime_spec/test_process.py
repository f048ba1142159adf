from __future__ import annotations

import pytest

from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.oci.runtime.capabilities import DEFAULT, NAMES, SYS_RESOURCE, capability_sets, names_of, normalize
from conman_kernel.oci.runtime.options import ContainerOptions, Ulimit
from conman_kernel.oci.runtime.process import process_args, process_env, rlimits, signal_number, stop_signal, working_dir
from conman_kernel.oci.runtime.request import HostFacts, ImageParts, User
from conman_kernel.oci.runtime.spec import ExecRequest, build_exec, build_spec

ALL = (1 << 41) - 1
IMAGE = ImageParts(env=("PATH=/opt/bin", "A=image"), entrypoint=("/entry", "-x"), cmd=("default",), working_dir="/srv",
                   stop_signal="SIGQUIT")


@pytest.mark.parametrize(("entrypoint", "command", "expected"), [
    (None, (), ["/entry", "-x", "default"]),
    (None, ("mine",), ["/entry", "-x", "mine"]),
    (("/other",), (), ["/other"]),
    (("/other",), ("mine",), ["/other", "mine"]),
    ((), ("mine",), ["mine"]),
])
def test_entrypoint_and_command(entrypoint: tuple[str, ...] | None, command: tuple[str, ...], expected: list[str]) -> None:
    assert process_args(ContainerOptions(entrypoint=entrypoint, command=command), IMAGE) == expected


def test_nothing_to_run_is_said() -> None:
    with pytest.raises(InvalidInput, match="no command or entrypoint provided"):
        process_args(ContainerOptions(entrypoint=()), IMAGE)


def test_the_caller_wins_over_the_image_over_defaults(make) -> None:
    env = process_env(make(image=IMAGE, env=(("A", "mine"), ("B", "x=y")), terminal=True))
    assert env == ["PATH=/opt/bin", "TERM=xterm", "container=conman", "A=mine", "B=x=y", "HOME=/", "HOSTNAME=c0ffee"]
    assert "TERM=xterm" not in process_env(make())
    assert "HOME=/home/app" in process_env(make(user=User(1, 1, (), "/home/app", "app")))
    assert "HOME=/set" in process_env(make(env=(("HOME", "/set"),), user=User(1, 1, (), "/home/app", "app")))


def test_working_dir() -> None:
    assert working_dir(ContainerOptions(), IMAGE) == "/srv"
    assert working_dir(ContainerOptions(workdir="/x"), IMAGE) == "/x"
    assert working_dir(ContainerOptions(), ImageParts()) == "/"
    with pytest.raises(InvalidInput, match="'x' is not an absolute path"):
        working_dir(ContainerOptions(workdir="x"), IMAGE)


@pytest.mark.parametrize(("text", "number"), [
    ("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN+3", 37), ("rtmax-1", 63), ("SIGRTMIN", 34), ("", 0), ("65", 0),
    ("0", 0), ("SIGNOPE", 0), ("SIGRTMIN+99", 0), ("SIGRTMIN+", 0), ("-5", 0)])
def test_signal_names(text: str, number: int) -> None:
    assert signal_number(text) == number


def test_stop_signal_of_caller_image_default() -> None:
    assert stop_signal(ContainerOptions(stop_signal=2), IMAGE) == 2
    assert stop_signal(ContainerOptions(), IMAGE) == 3
    assert stop_signal(ContainerOptions(), ImageParts(stop_signal="nonsense")) == 15


def sets(**changes: object) -> dict[str, list[str]]:
    given: dict[str, object] = {"uid": 0, "add": (), "drop": (), "privileged": False, "host_bounding": ALL}
    return capability_sets(**{**given, **changes})  # type: ignore[arg-type]


def test_default_capabilities_are_podmans_and_root_has_them() -> None:
    result = sets()
    assert result["bounding"] == sorted(DEFAULT) == result["effective"] == result["permitted"]
    assert set(result) == {"bounding", "effective", "permitted"}


def test_a_user_keeps_only_what_was_asked_for() -> None:
    assert set(sets(uid=1000)) == {"bounding"}
    result = sets(uid=1000, add=("net_raw",), drop=("CHOWN",))
    assert "CAP_CHOWN" not in result["bounding"] and "CAP_NET_RAW" in result["bounding"]
    assert [result[k] for k in ("effective", "inheritable", "permitted", "ambient")] == [["CAP_NET_RAW"]] * 4


def test_all_added_and_dropped() -> None:
    assert sets(add=("ALL",), drop=("SYS_ADMIN",))["bounding"] == sorted(set(NAMES) - {"CAP_SYS_ADMIN"})
    assert sets(drop=("all",), add=("KILL",))["bounding"] == ["CAP_KILL"]
    assert sets(drop=("all",)) == {"bounding": []}
    assert set(sets(privileged=True, uid=1000)) == {"bounding"}
    few = 1 << NAMES.index("CAP_KILL")
    assert sets(add=("ALL",), host_bounding=few)["bounding"] == ["CAP_KILL"] == list(names_of(few))


@pytest.mark.parametrize(("add", "drop", "words"), [
    (("NOPE",), (), "unknown capability 'NOPE'"), (("KILL",), ("CAP_KILL",), "CAP_KILL cannot be added and dropped"),
    (("ALL",), ("ALL",), "ALL cannot be added and dropped")])
def test_contradicting_capabilities(add: tuple[str, ...], drop: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        sets(add=add, drop=drop)
    assert normalize(" cap_kill ") == "CAP_KILL"


LIMITED = HostFacts(effective=ALL & ~SYS_RESOURCE, rlimits=(Ulimit("nofile", 1024, 20000), Ulimit("core", 0, -1)))


def by_type(limits: list[dict[str, object]]) -> dict[object, tuple[object, object]]:
    return {limit["type"]: (limit["soft"], limit["hard"]) for limit in limits}


def test_default_limits_stay_below_the_callers() -> None:
    assert by_type(rlimits((), LIMITED)) == {"RLIMIT_NOFILE": (20000, 20000), "RLIMIT_NPROC": (4194304, 4194304)}
    free = by_type(rlimits((), LIMITED._replace(effective=ALL)))
    assert free["RLIMIT_NOFILE"] == (1048576, 1048576)


def test_asked_limits() -> None:
    limits = by_type(rlimits((Ulimit("nofile", 5, 6), Ulimit("core", -1, -1)), LIMITED))
    assert limits["RLIMIT_NOFILE"] == (5, 6)
    assert limits["RLIMIT_CORE"] == ((1 << 64) - 1, (1 << 64) - 1)
    assert rlimits((Ulimit("host", 0, 0),), LIMITED) == []
    for asked in (Ulimit("nofile", 5, 20001), Ulimit("nofile", -1, -1)):
        with pytest.raises(Unavailable, match="the hard limit of this process is 20000"):
            rlimits((asked,), LIMITED)


def test_oom_score_is_never_below_the_callers_without_the_right(make) -> None:
    def score(asked: int | None, effective: int) -> object:
        facts = make().facts._replace(effective=effective, oom_score_adj=100)
        process = build_spec(make(oom_score_adj=asked, facts=facts))["process"]
        assert isinstance(process, dict)
        return process.get("oomScoreAdj")
    assert score(None, ALL) is None
    assert score(-500, ALL) == -500
    assert score(-500, ALL & ~SYS_RESOURCE) == 100
    assert score(500, 0) == 500


def test_exec_takes_over_what_the_container_has(make) -> None:
    base = build_spec(make(cap_add=("NET_RAW",), user=User(1000, 1000), env=(("A", "1"),), terminal=True))["process"]
    assert isinstance(base, dict)
    doc = build_exec(ExecRequest(base=base, command=("id",), env=(("B", "2"),), workdir="/tmp"))
    assert (doc["args"], doc["cwd"], doc["terminal"]) == (["id"], "/tmp", False)
    assert {"A=1", "B=2"} <= set(doc["env"])  # type: ignore[call-overload]
    assert doc["capabilities"] == base["capabilities"]
    assert doc["rlimits"] == base["rlimits"]


def test_exec_as_another_user(make) -> None:
    base = build_spec(make(cap_add=("NET_RAW",)))["process"]
    assert isinstance(base, dict)
    user = build_exec(ExecRequest(base=base, command=("id",), user=User(7, 8, (8, 9), "/home/x", "x")))
    assert set(user["capabilities"]) == {"bounding"}  # type: ignore[call-overload]
    assert user["user"] == {"uid": 7, "gid": 8, "umask": 18, "additionalGids": [8, 9]}
    assert "HOME=/home/x" in user["env"]  # type: ignore[operator]
    privileged = build_exec(ExecRequest(base=base, command=("id",), privileged=True, host_bounding=ALL))
    assert privileged["capabilities"]["effective"] == sorted(NAMES)  # type: ignore[index]
    with pytest.raises(InvalidInput, match="needs a command"):
        build_exec(ExecRequest(base=base, command=()))
