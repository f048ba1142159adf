"""Seccomp: conman's default profile, and the reading of a caller's (runtime-spec, config-linux.md, "Seccomp")."""

from __future__ import annotations

from typing import Mapping

from ...errors import InvalidInput
from .request import HostFacts, SpecRequest
from .seccomp_data import (
    ALWAYS,
    ARCHITECTURES,
    BY_MACHINE,
    CLONE_NAMESPACES,
    DOCKER_MACHINES,
    PERSONALITIES,
    REFUSED,
    WITH_CAPABILITY,
)

EPERM, EINVAL, ENOSYS = 1, 22, 38
AF_NETLINK, NETLINK_AUDIT = 16, 9

_ACTIONS = frozenset("SCMP_ACT_" + a for a in (
    "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY"))
_OPERATORS = frozenset("SCMP_CMP_" + o for o in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))

Rule = dict[str, object]


def _allow(names: list[str], *args: tuple[int, int, str]) -> Rule:
    rule: Rule = {"names": names, "action": "SCMP_ACT_ALLOW"}
    if args:
        rule["args"] = [{"index": index, "value": value, "op": op} for index, value, op in args]
    return rule


def _clone(machine: str) -> Rule:
    # s390 swaps clone's first two arguments.
    index = 1 if machine == "s390x" else 0
    return {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
        {"index": index, "value": CLONE_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}


def _sockets(capabilities: frozenset[str]) -> list[Rule]:
    """Every socket but the audit system's, which takes no namespace into account and says EINVAL where it is not built
    in."""
    if "CAP_AUDIT_WRITE" in capabilities:
        return [_allow(["socket"])]
    return [_allow(["socket"], (0, AF_NETLINK, "SCMP_CMP_NE")), _allow(["socket"], (2, NETLINK_AUDIT, "SCMP_CMP_NE")),
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": EINVAL, "args": [
                {"index": 0, "value": AF_NETLINK, "op": "SCMP_CMP_EQ"},
                {"index": 2, "value": NETLINK_AUDIT, "op": "SCMP_CMP_EQ"}]}]


def default_profile(capabilities: frozenset[str], machine: str) -> dict[str, object]:
    """conman's own profile for a bounding set and a machine (``uname -m``). See :mod:`.seccomp_data` for its lists.

    :returns: an OCI ``seccomp`` document.
    """
    allowed = [name for names in ALWAYS.values() for name in names.split()]
    allowed += BY_MACHINE.get(machine, "").split()
    refused = [name for names in REFUSED.values() for name in names.split()]
    for capability, names in WITH_CAPABILITY.items():
        (allowed if capability in capabilities else refused).extend(names.split())
    rules: list[Rule] = []
    if "CAP_SYS_ADMIN" in capabilities:
        allowed.append("clone")
    else:
        refused.remove("clone3")
        rules.append(_clone(machine))
    rules += [_allow(["personality"], (0, value, "SCMP_CMP_EQ")) for value in PERSONALITIES]
    rules += _sockets(capabilities)
    profile: dict[str, object] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": ENOSYS}
    if machine in ARCHITECTURES:
        profile["architectures"] = list(ARCHITECTURES[machine])
    profile["syscalls"] = [_allow(allowed), {"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM}, *rules]
    return profile


def build_seccomp(request: SpecRequest, bounding: frozenset[str]) -> dict[str, object] | None:
    """The profile of one container: none where privileged, unconfined or unknown to the kernel; the caller's; or the
    default.

    :raises InvalidInput: a profile was named and not given, or is malformed.
    """
    options, facts = request.options, request.facts
    if options.seccomp == "unconfined" or not facts.seccomp:
        return None
    if request.seccomp is not None:
        return convert_profile(request.seccomp, bounding, facts)
    if options.seccomp:
        raise InvalidInput(f"the seccomp profile {options.seccomp!r} was not read")
    return None if options.privileged else default_profile(bounding, facts.machine)


def _list(value: object, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInput(f"seccomp profile: {where} is not a list")
    return value


def _names(value: object, where: str) -> list[str]:
    names = _list(value, where)
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput(f"seccomp profile: {where} holds something that is not a string")
    return [name for name in names if isinstance(name, str)]


def _action(value: object, where: str) -> str:
    if not isinstance(value, str) or value not in _ACTIONS:
        raise InvalidInput(f"seccomp profile: {where} is {value!r}, which is no action such as SCMP_ACT_ERRNO")
    return value


def _errno(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 4095:
        raise InvalidInput(f"seccomp profile: {where} is {value!r}, which is no errno number")
    return value


def _argument(value: object, where: str) -> Rule:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"seccomp profile: {where} is not an object")
    index, number, second = value.get("index", 0), value.get("value", 0), value.get("valueTwo", 0)
    for part in (index, number, second):
        if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part < 1 << 64:
            raise InvalidInput(f"seccomp profile: {where} holds {part!r}, which is no unsigned 64-bit number")
    if value.get("op") not in _OPERATORS:
        raise InvalidInput(f"seccomp profile: {where} has the operator {value.get('op')!r}")
    return {"index": index, "value": number, "valueTwo": second, "op": value["op"]}


def _version(text: object) -> tuple[int, int]:
    parts = str(text).split(".")
    if len(parts) != 2 or not all(p.isdigit() for p in parts):
        raise InvalidInput(f"seccomp profile: minKernel {text!r} is not MAJOR.MINOR")
    return int(parts[0]), int(parts[1])


def _applies(rule: Mapping[str, object], bounding: frozenset[str], facts: HostFacts, where: str) -> bool:
    """Docker's conditions: every included capability is held, no excluded one; the machine; the kernel's age."""
    machine = DOCKER_MACHINES.get(facts.machine, facts.machine)
    for key, wanted in (("includes", True), ("excludes", False)):
        filters = rule.get(key) or {}
        if not isinstance(filters, Mapping):
            raise InvalidInput(f"seccomp profile: {where}.{key} is not an object")
        capabilities = _names(filters.get("caps"), f"{where}.{key}.caps")
        machines = _names(filters.get("arches"), f"{where}.{key}.arches")
        oldest = filters.get("minKernel")
        if wanted and (not bounding.issuperset(capabilities) or (machines and machine not in machines)
                       or (oldest and facts.kernel < _version(oldest))):
            return False
        if not wanted and (not bounding.isdisjoint(capabilities) or machine in machines
                           or (oldest and facts.kernel >= _version(oldest))):
            return False
    return True


def _rule(rule: Mapping[str, object], where: str) -> Rule:
    names = _names(rule.get("names"), f"{where}.names")
    if isinstance(rule.get("name"), str):
        names.append(str(rule["name"]))
    if not names:
        raise InvalidInput(f"seccomp profile: {where} names no syscall")
    result: Rule = {"names": names, "action": _action(rule.get("action"), f"{where}.action")}
    if rule.get("errnoRet") is not None:
        result["errnoRet"] = _errno(rule["errnoRet"], f"{where}.errnoRet")
    arguments = [_argument(a, f"{where}.args[{i}]") for i, a in enumerate(_list(rule.get("args"), f"{where}.args"))]
    if arguments:
        result["args"] = arguments
    return result


def _architectures(profile: Mapping[str, object], facts: HostFacts) -> list[str]:
    named = _names(profile.get("architectures"), "architectures")
    native = ARCHITECTURES.get(facts.machine, ("",))[0]
    for index, entry in enumerate(_list(profile.get("archMap"), "archMap")):
        if not isinstance(entry, Mapping):
            raise InvalidInput(f"seccomp profile: archMap[{index}] is not an object")
        if entry.get("architecture") == native:
            named += [native, *_names(entry.get("subArchitectures"), f"archMap[{index}].subArchitectures")]
    return named


def convert_profile(profile: Mapping[str, object], bounding: frozenset[str], facts: HostFacts) -> dict[str, object]:
    """Make the OCI document of a caller's profile, in OCI form or docker's (``archMap``, ``includes``, ``excludes``).

    :param bounding: the container's bounding set, for docker's conditions.
    :raises InvalidInput: it is malformed; the message names the place.
    """
    result: dict[str, object] = {"defaultAction": _action(profile.get("defaultAction"), "defaultAction")}
    if profile.get("defaultErrnoRet") is not None:
        result["defaultErrnoRet"] = _errno(profile["defaultErrnoRet"], "defaultErrnoRet")
    architectures = _architectures(profile, facts)
    if architectures:
        result["architectures"] = architectures
    for key in ("flags", "listenerPath", "listenerMetadata"):
        if profile.get(key):
            result[key] = profile[key]
    rules: list[Rule] = []
    for index, rule in enumerate(_list(profile.get("syscalls"), "syscalls")):
        where = f"syscalls[{index}]"
        if not isinstance(rule, Mapping):
            raise InvalidInput(f"seccomp profile: {where} is not an object")
        if _applies(rule, bounding, facts, where):
            rules.append(_rule(rule, where))
    result["syscalls"] = rules
    return result
