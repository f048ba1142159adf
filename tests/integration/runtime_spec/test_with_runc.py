"""What the built spec does, looked at from inside a container that the real runc started."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from conman_kernel.oci.runtime.capabilities import NAMES
from conman_kernel.oci.runtime.options import Device, MountOption, Ulimit
from conman_kernel.oci.runtime.request import BindFile, ImageParts


def status(text: str) -> dict[str, str]:
    return {k: v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}


def bits(*names: str) -> int:
    return sum(1 << NAMES.index("CAP_" + name) for name in names)


DEFAULT = bits(*"CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT".split())


def test_a_plain_container(run) -> None:
    found = status(run("cat", "/proc/self/status").out)
    assert [int(found[k], 16) for k in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")] == [DEFAULT] * 3 + [0, 0]
    assert (found["Seccomp"], found["NoNewPrivs"], found["Umask"], found["Pid"]) == ("2", "0", "0022", "1")


def test_capabilities_of_a_user(run) -> None:
    found = status(run("cat", "/proc/self/status", user="app").out)
    assert [int(found[k], 16) for k in ("CapBnd", "CapEff", "CapPrm", "CapAmb")] == [DEFAULT, 0, 0, 0]
    found = status(run("cat", "/proc/self/status", user="app", cap_add=("NET_RAW",), cap_drop=("CHOWN",)).out)
    assert int(found["CapEff"], 16) == int(found["CapAmb"], 16) == bits("NET_RAW")
    assert int(found["CapBnd"], 16) == (DEFAULT & ~bits("CHOWN")) | bits("NET_RAW")


def test_all_dropped_and_no_new_privileges(run) -> None:
    found = status(run("cat", "/proc/self/status", cap_drop=("ALL",), no_new_privileges=True).out)
    assert (int(found["CapBnd"], 16), int(found["CapEff"], 16), found["NoNewPrivs"]) == (0, 0, "1")


def test_privileged(run) -> None:
    done = run("sh", "-c", "cat /proc/self/status; stat -c %t:%T /dev/loop-control /dev/null; echo x > /dev/null; "
                           "grep ' /sys ' /proc/mounts; cat /proc/kcore | dd count=1 bs=1 of=/dev/null 2>&1 | grep -c records",
               privileged=True)
    found = status(done.out)
    own = status(Path("/proc/self/status").read_text())
    assert found["CapBnd"] == found["CapEff"] == own["CapBnd"]
    assert found["Seccomp"] == "0"
    assert "1:3" in done.out
    assert "/sys sysfs rw" in done.out


def test_ids_and_groups(run) -> None:
    assert run("id").out == "uid=0(root) gid=0(root) groups=0(root)\n"
    assert run("id", user="app", groups=("video", "77")).out == (
        "uid=1000(app) gid=1001(app) groups=44(video),77,1001(app),2000(extra)\n")
    assert "uid=4242 gid=0(root)" in run("id", user="4242").out


def test_environment_folder_and_hostname(run) -> None:
    done = run("sh", "-c", "env; pwd; hostname; echo $$", image=ImageParts(env=("A=image", "B=2"), working_dir="/home/app"),
               env=(("A", "mine"),), user="app", hostname="web")
    lines = done.out.splitlines()
    assert {"A=mine", "B=2", "HOME=/home/app", "HOSTNAME=web", "container=conman"} <= set(lines)
    assert lines[-3:] == ["/home/app", "web", "1"]


def test_walls(run) -> None:
    done = run("sh", "-c", "for p in /proc/kcore /proc/keys /proc/timer_list; do [ ! -e $p ] || dd if=$p bs=1 count=1 2>/dev/null; done; "
                           "ls -A /sys/firmware /sys/dev/block | grep -v :; echo 1 > /proc/sys/kernel/hostname; "
                           "mkdir /sys/fs/cgroup/x; touch /sys/x; touch /proc/fs/x")
    assert done.out.strip() == ""
    assert done.err.count("Read-only file system") >= 2, done.err
    assert "/proc/sys/kernel/hostname: Read-only file system" in done.err


@pytest.mark.parametrize("command", ["unshare -U true", "unshare -m true", "unshare -n true", "mount -t tmpfs x /tmp",
                                     "mknod /tmp/x b 8 0", "hostname changed"])
def test_what_is_refused(run, command: str) -> None:
    done = run(*command.split())
    assert done.code != 0 and ("not permitted" in done.err or "permission denied" in done.err), done


def test_seccomp_alone_refuses_a_user_namespace(run) -> None:
    """The kernel would allow it: so it is the profile that says no."""
    code = run("unshare", "-U", "true", seccomp="unconfined").code
    if Path("/proc/sys/user/max_user_namespaces").read_text().strip() != "0":
        assert code == 0
    assert run("unshare", "-m", "true", cap_add=("SYS_ADMIN",)).code == 0
    assert run("chroot", "/", "true").code == 0
    assert run("chroot", "/", "true", cap_drop=("SYS_CHROOT",)).code != 0


def test_limits_in_the_cgroup(run) -> None:
    done = run("sh", "-c", "cat /proc/self/cgroup; cat /sys/fs/cgroup/memory/memory.limit_in_bytes "
                           "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes /sys/fs/cgroup/pids/pids.max "
                           "/sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpuset/cpuset.cpus "
                           "|| cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max /sys/fs/cgroup/pids.max "
                           "/sys/fs/cgroup/cpu.max", memory=64 << 20, cpus=0.5, cpu_shares=512, pids_limit=33, cpuset_cpus="0")
    words = done.out.split()
    assert str(64 << 20) in words and "33" in words and "50000" in words, done
    assert all("/conman/spec-" in line or line.startswith("0::") for line in done.out.splitlines() if line[:1].isdigit()
               and ":/" in line)
    assert "2048" in run("sh", "-c", "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max").out


def test_rlimits(run) -> None:
    done = run("sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c", ulimits=(Ulimit("nofile", 100, 200), Ulimit("core", 0, -1)))
    assert done.out.split() == ["100", "200", "0"]
    own = [line.split() for line in Path("/proc/self/limits").read_text().splitlines() if line.startswith("Max open files")]
    assert int(run("sh", "-c", "ulimit -n").out) <= int(own[0][4])


def test_mounts(run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("from the host\n")
    done = run("sh", "-c", "cat /data/file; touch /data/new; cat /ro/file; touch /ro/no; df -k /scratch | grep scratch; "
                           "cat /etc/hosts; stat -c %a /dev/shm; df -k /dev/shm | grep shm",
               mounts=(MountOption("bind", str(tmp_path / "data"), "/data"),
                       MountOption("bind", str(tmp_path / "data"), "/ro", ("ro",)),
                       MountOption("tmpfs", "", "/scratch", ("size=1048576",))),
               files=(BindFile("/etc/hosts", str(tmp_path / "data/file")),), shm_size=2 << 20)
    assert done.out.count("from the host") == 3, done
    assert (tmp_path / "data/new").exists()
    assert "/ro/no: Read-only file system" in done.err
    assert "1024" in done.out and "2048" in done.out and "1777" in done.out


def test_read_only_with_writable_tmpfs(run) -> None:
    done = run("sh", "-c", "touch /x; touch /run/a /tmp/a && cat /var/tmp/kept; touch /run/.containerenv", read_only=True)
    assert done.out == "copied up\n"
    assert done.err.count("Read-only file system") == 1


def test_devices(run) -> None:
    node = next(p for p in ("/dev/loop-control", "/dev/fuse", "/dev/net/tun", "/dev/kmsg") if os.path.exists(p))
    done = run("sh", "-c", "ls /dev; : > /dev/mine && echo may-write; : < /dev/mine && echo may-read",
               devices=(Device(node, "/dev/mine", "w"),))
    assert {"mine", "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fd", "stdin",
            "stdout", "stderr"} <= set(done.out.split())
    assert "vda" not in done.out.split()
    assert "may-write" in done.out and "may-read" not in done.out
    assert "/dev/mine: Operation not permitted" in done.err


def test_namespaces_of_the_host(run) -> None:
    def links(**options: str) -> dict[str, str]:
        out = run("sh", "-c", "for n in pid ipc uts net cgroup mnt; do echo $n $(readlink /proc/self/ns/$n); done", **options).out
        return dict(line.split() for line in out.splitlines())  # type: ignore[misc]
    own = {n: os.readlink(f"/proc/self/ns/{n}") for n in ("pid", "ipc", "uts", "net", "cgroup", "mnt")}
    plain = links()
    assert {n for n in own if plain[n] == own[n]} <= {"cgroup"}
    shared = links(pid="host", ipc="host", uts="host", network="host")
    assert {n for n in own if shared[n] == own[n]} >= {"pid", "ipc", "uts", "net"}
    assert shared["mnt"] != own["mnt"]
    assert links(cgroupns="own")["cgroup"] != own["cgroup"]
    assert links(network=f"path:/proc/{os.getpid()}/ns/net")["net"] == own["net"]


def test_sysctls(run) -> None:
    done = run("cat", "/proc/sys/net/ipv4/ping_group_range", "/proc/sys/kernel/shm_rmid_forced",
               sysctls=(("kernel.shm_rmid_forced", "1"),))
    assert done.out.split() == ["0", "0", "1"]


def test_init(run) -> None:
    init = next((p for p in (shutil.which(n) for n in ("catatonit", "tini", "tini-static")) if p), None)
    if init is None:
        pytest.skip("no init binary: apt-get install catatonit")
    done = run("sh", "-c", "echo $$; tr '\\0' ' ' < /proc/1/cmdline; exit 3", init=True, init_path=init)
    assert done.code == 3
    assert done.out.split()[0] != "1" and "/run/conman-init -- sh" in done.out


def test_the_keyring_is_its_own(run) -> None:
    """/proc/keys lists what a process may see: runc gives each container a session keyring of the container's name."""
    done = run("cat", "/proc/keys", masked_paths=())
    assert done.code == 0
    assert "_ses.spec-" in done.out, done


def test_oom_score(run) -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert int(run("cat", "/proc/self/oom_score_adj").out) == own
    assert int(run("cat", "/proc/self/oom_score_adj", oom_score_adj=700).out) == 700
    assert int(run("cat", "/proc/self/oom_score_adj", oom_score_adj=-900).out) in (own, -900)


def test_a_docker_profile_from_a_file(run, tmp_path: Path) -> None:
    from conman_kernel.containers.seccompfile import read_profile
    from conman_kernel.oci.runtime.request import HostFacts
    from conman_kernel.oci.runtime.seccomp import convert_profile

    path = tmp_path / "p.json"
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95, "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}))
    plain = convert_profile(read_profile(str(path)), frozenset(), HostFacts())
    assert plain["syscalls"]
    assert not convert_profile(read_profile(str(path)), frozenset(("CAP_SYS_ADMIN",)), HostFacts())["syscalls"]


PROGRAM = r"""
import concurrent.futures, ctypes, mmap, multiprocessing, os, select, signal, socket, sqlite3, subprocess, sys, tempfile, threading
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(lambda n: n * n, range(100))) == 328350
assert subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True, text=True).stdout == "7\n"
with tempfile.TemporaryDirectory() as folder:
    with sqlite3.connect(folder + "/db") as db:
        db.execute("PRAGMA journal_mode=WAL"); db.execute("create table t(x)"); db.execute("insert into t values (1)")
    os.setxattr(folder, "user.x", b"1") if "--xattr" in sys.argv else None
a, b = socket.socketpair(); a.send(b"x"); assert select.select([b], [], [], 5)[0] == [b]
server = socket.create_server(("127.0.0.1", 0)) if "--net" in sys.argv else None
poll = select.epoll(); poll.register(b, select.EPOLLIN); assert poll.poll(5)
assert os.waitpid(os.fork() or os._exit(5), 0)[1] >> 8 == 5
mmap.mmap(-1, 8192).close(); os.memfd_create("x"); os.eventfd(0); os.getrandom(8); os.pidfd_open(os.getpid())
os.sched_getaffinity(0); os.nice(1); signal.setitimer(signal.ITIMER_REAL, 100)
libc = ctypes.CDLL(None, use_errno=True)
def refused(number, *arguments):
    result = libc.syscall(number, *arguments)
    return -1 if result != -1 else ctypes.get_errno()
calls = {"unshare": (272, 0x10000000), "mount": (165, 0, 0, 0, 0, 0), "keyctl": (250, 0, 0), "bpf": (321, 0, 0, 0),
         "kexec_load": (246, 0, 0, 0, 0), "userfaultfd": (323, 0), "clone3": (435, 0, 0), "io_uring_setup": (425, 1, 0),
         "clone": (56, 0x10000000 | 17, 0, 0, 0, 0), "audit": (41, 16, 3, 9), "future": (9999,)}
print({name: refused(*words) for name, words in calls.items()})
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="syscall numbers of x86_64")
def test_ordinary_programs_work_and_others_are_told_why(run, tmp_path: Path) -> None:
    """The host's own Python and C library under the default profile."""
    root = tmp_path / "hostroot"
    mounts = []
    for name in ("usr", "bin", "lib", "lib64", "sbin", "etc"):
        if os.path.islink(f"/{name}"):
            (root / "tmp").mkdir(parents=True, exist_ok=True)
            os.symlink(os.readlink(f"/{name}"), root / name)
        elif os.path.isdir(f"/{name}"):
            (root / name).mkdir(parents=True)
            mounts.append(MountOption("bind", f"/{name}", f"/{name}", ("ro",)))
    if not sys.base_prefix.startswith("/usr"):
        mounts.append(MountOption("bind", sys.base_prefix, sys.base_prefix, ("ro",)))
    mounts.append(MountOption("tmpfs", "", "/tmp"))
    python = os.path.realpath(sys.executable)
    done = run(python, "-I", "-c", PROGRAM, root=root, mounts=tuple(mounts), env=(("LANG", "C.UTF-8"),))
    assert done.code == 0, done.err
    assert eval(done.out) == {
        "unshare": 1, "mount": 1, "keyctl": 1, "bpf": 1, "kexec_load": 1, "userfaultfd": 1, "clone3": 38, "io_uring_setup": 38,
        "clone": 38, "audit": 22, "future": 38}
