from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.runtime import seccomp_data as data
from conman_kernel.oci.runtime.capabilities import DEFAULT, NAMES
from conman_kernel.oci.runtime.request import HostFacts
from conman_kernel.oci.runtime.seccomp import build_seccomp, convert_profile, default_profile

DEBIAN = Path("/usr/share/containers/seccomp.json")
"""Shipped by golang-github-containers-common, which Debian's podman depends on."""

INTERESTING = (0, 1, 2, 3, 8, 9, 10, 16, 17, 0x8, 0x11, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF, 0x10000000, 0x7E020000, 0x01200011,
               0x00020000, 0x3D0F00)


def matches(argument: Mapping[str, object], values: tuple[int, ...]) -> bool:
    have, value, second = values[argument["index"]], argument["value"], argument.get("valueTwo", 0)  # type: ignore[index]
    assert isinstance(value, int)
    return {"SCMP_CMP_EQ": have == value, "SCMP_CMP_NE": have != value, "SCMP_CMP_LT": have < value,
            "SCMP_CMP_LE": have <= value, "SCMP_CMP_GE": have >= value, "SCMP_CMP_GT": have > value,
            "SCMP_CMP_MASKED_EQ": have & value == second}[str(argument["op"])]


def actions(profile: Mapping[str, object], name: str, values: tuple[int, ...]) -> set[str]:
    """What every rule that matches says; a rule's arguments all have to."""
    rules = profile["syscalls"]
    assert isinstance(rules, list)
    return {rule["action"] for rule in rules
            if name in rule["names"] and all(matches(a, values) for a in rule.get("args") or ())}


def may(profile: Mapping[str, object], name: str, values: tuple[int, ...] = (0,) * 6) -> bool:
    """Could the call pass, if rules that contradict each other were settled in its favour?"""
    return "SCMP_ACT_ALLOW" in actions(profile, name, values)


def certainly(profile: Mapping[str, object], name: str, values: tuple[int, ...]) -> bool:
    """Does the call pass, whichever way contradicting rules are settled?"""
    return actions(profile, name, values) == {"SCMP_ACT_ALLOW"}


def names_in(*profiles: Mapping[str, object]) -> set[str]:
    return {name for p in profiles for rule in p["syscalls"] for name in rule["names"]}  # type: ignore[attr-defined]


def has_arguments(profile: Mapping[str, object], name: str) -> bool:
    return any(rule.get("args") for rule in profile["syscalls"] if name in rule["names"])  # type: ignore[attr-defined]


def excess(machine: str, capabilities: Iterable[str], debian: Mapping[str, object]) -> list[tuple[str, tuple[int, ...]]]:
    """Calls that conman's profile may allow and Debian's does not."""
    held = frozenset(capabilities)
    ours = default_profile(held, machine)
    theirs = convert_profile(debian, held, HostFacts(machine=machine))
    found: list[tuple[str, tuple[int, ...]]] = []
    for name in sorted(names_in(ours, theirs)):
        wide = has_arguments(ours, name) or has_arguments(theirs, name)
        for first, third in itertools.product(INTERESTING, INTERESTING) if wide else [(0, 0)]:
            values = (first, 0, third, 0, 0, 0)
            if may(ours, name, values) and not certainly(theirs, name, values):
                found.append((name, values))
    return found


@pytest.fixture(scope="module")
def debian() -> dict[str, object]:
    if not DEBIAN.exists():
        pytest.skip(f"{DEBIAN} is missing: apt-get install golang-github-containers-common")
    return json.loads(DEBIAN.read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "i686", "armv7l"])
@pytest.mark.parametrize("capabilities", [(), DEFAULT, NAMES, *[(name,) for name in NAMES]], ids=lambda c: f"{len(c)}{c[:1]}")
def test_nothing_is_allowed_that_debians_profile_denies(debian: dict[str, object], machine: str,
                                                        capabilities: tuple[str, ...]) -> None:
    assert excess(machine, capabilities, debian) == []


def test_the_comparison_finds_what_is_too_much(debian: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.ALWAYS, "planted", "kexec_load io_uring_setup")
    monkeypatch.setitem(data.WITH_CAPABILITY, "CAP_CHOWN", "bpf")
    monkeypatch.setattr("conman_kernel.oci.runtime.seccomp.PERSONALITIES", (0, 0x40000))
    assert {name for name, _ in excess("x86_64", DEFAULT, debian)} == {"kexec_load", "io_uring_setup", "bpf", "personality"}


def test_architectures_are_debians_without_x32(debian: dict[str, object]) -> None:
    for machine in ("x86_64", "aarch64"):
        theirs = convert_profile(debian, frozenset(), HostFacts(machine=machine))
        debians = theirs["architectures"]
        assert isinstance(debians, list)
        wanted = [name for name in debians if name != "SCMP_ARCH_X32"]
        assert default_profile(frozenset(), machine)["architectures"] == wanted
    assert "architectures" not in default_profile(frozenset(), "loongarch64")


ORDINARY = ("read write openat close mmap munmap brk execve exit_group fork vfork wait4 futex rt_sigaction nanosleep socket "
            "connect bind accept4 sendmsg recvmsg epoll_wait pipe2 getrandom statx rseq set_robust_list prlimit64 ptrace chroot "
            "setuid setgid setgroups inotify_init1 memfd_create personality fanotify_mark getdents64 utimensat renameat2").split()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_ordinary_calls_pass(machine: str) -> None:
    profile = default_profile(frozenset(DEFAULT), machine)
    assert [name for name in ORDINARY if not certainly(profile, name, (0,) * 6)] == []
    thread, process = (0x3D0F00,) + (0,) * 5, (0x01200011,) + (0,) * 5
    assert certainly(profile, "clone", thread) and certainly(profile, "clone", process)


def test_namespaces_need_the_capability() -> None:
    new_user = (0x10000000,) + (0,) * 5
    plain, admin = default_profile(frozenset(DEFAULT), "x86_64"), default_profile(frozenset(("CAP_SYS_ADMIN",)), "x86_64")
    for name, values in (("clone", new_user), ("unshare", new_user), ("mount", (0,) * 6), ("setns", (0,) * 6),
                         ("clone3", (0,) * 6)):
        assert not may(plain, name, values)
        assert certainly(admin, name, values)


def errno_of(profile: Mapping[str, object], name: str) -> object:
    rules = [r for r in profile["syscalls"] if name in r["names"]]  # type: ignore[attr-defined]
    return rules[0]["errnoRet"] if rules else profile["defaultErrnoRet"]


def test_refused_is_eperm_and_unknown_is_enosys() -> None:
    profile = default_profile(frozenset(DEFAULT), "x86_64")
    assert [errno_of(profile, n) for n in ("unshare", "mount", "keyctl", "bpf", "reboot")] == [1] * 5
    # glibc falls back to clone(2) on ENOSYS only.
    assert [errno_of(profile, n) for n in ("clone3", "futex_waitv", "a_call_of_2040")] == [38] * 3


def test_lists_do_not_overlap() -> None:
    tables = (data.ALWAYS, data.WITH_CAPABILITY, data.REFUSED)
    flat = [name for table in tables for names in table.values() for name in names.split()]
    assert sorted(flat) == sorted(set(flat))


def test_unconfined_privileged_and_kernels_without(make) -> None:
    unconfined = make()._replace(options=make().options._replace(seccomp="unconfined"))
    assert build_seccomp(unconfined, frozenset()) is None
    assert build_seccomp(make(privileged=True), frozenset()) is None
    assert build_seccomp(make(facts=HostFacts(seccomp=False)), frozenset()) is None
    assert build_seccomp(make(), frozenset()) is not None
    own = {"defaultAction": "SCMP_ACT_ALLOW"}
    named = make()
    named = named._replace(options=named.options._replace(seccomp="/p"))
    assert build_seccomp(named._replace(seccomp=own), frozenset()) == {**own, "syscalls": []}
    with pytest.raises(InvalidInput, match="was not read"):
        build_seccomp(named, frozenset())


DOCKER = {
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"name": "write", "action": "SCMP_ACT_ALLOW", "args": None},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390x"]},
         "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["set_tls"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"minKernel": "5.0"}}]}


def allowed(capabilities: Iterable[str] = (), **facts: object) -> list[str]:
    profile = convert_profile(DOCKER, frozenset(capabilities), HostFacts(**facts))  # type: ignore[arg-type]
    return [n for rule in profile["syscalls"] for n in rule["names"]]  # type: ignore[attr-defined]


def test_dockers_conditions() -> None:
    assert allowed() == ["read", "write", "clone", "ptrace"]
    assert allowed(("CAP_SYS_ADMIN",)) == ["read", "write", "mount", "ptrace"]
    assert allowed(machine="aarch64") == ["read", "write", "clone", "set_tls", "ptrace"]
    assert allowed(kernel=(4, 2)) == ["read", "write", "clone", "clone3"]
    assert allowed(machine="s390x") == ["read", "write", "ptrace"]
    profile = convert_profile(DOCKER, frozenset(), HostFacts())
    assert profile["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert set(profile) == {"defaultAction", "defaultErrnoRet", "architectures", "syscalls"}


@pytest.mark.parametrize("change", [
    {"defaultAction": "ALLOW"}, {"defaultAction": None}, {"defaultErrnoRet": "EPERM"}, {"syscalls": {}}, {"syscalls": ["x"]},
    {"syscalls": [{"names": [], "action": "SCMP_ACT_ALLOW"}]}, {"syscalls": [{"names": [1], "action": "SCMP_ACT_ALLOW"}]},
    {"syscalls": [{"names": ["x"], "action": "x"}]}, {"archMap": 1}, {"archMap": ["x"]}, {"architectures": "x"},
    {"syscalls": [{"names": ["x"], "action": "SCMP_ACT_ALLOW", "args": [{"index": -1}]}]},
    {"syscalls": [{"names": ["x"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "op": "EQ"}]}]},
    {"syscalls": [{"names": ["x"], "action": "SCMP_ACT_ALLOW", "includes": "x"}]},
    {"syscalls": [{"names": ["x"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"}}]}])
def test_a_malformed_profile_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="^seccomp profile: "):
        convert_profile({**DOCKER, **change}, frozenset(), HostFacts())
