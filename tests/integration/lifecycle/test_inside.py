"""What options make of the world that the process sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conman_kernel.testing.command import Command


def inside(conman: Command, image: str, *words: str) -> str:
    """Run with options, ``--`` and a command; its output without the last newline."""
    options, command = words[:words.index("--")], words[words.index("--") + 1:]
    return conman.ok("run", "--rm", *options, image, *command).rstrip("\n")


def cgroup_file(pid: int, controller: str, name: str) -> str:
    """A control file of a process's cgroup, on v1 or v2."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}/{name}").read_text().strip()
    raise AssertionError(f"no {controller} hierarchy")


def test_environment_and_home(conman: Command, image: str, folder: Path) -> None:
    (folder / "env").write_text("B=two\n# no\nC=three\n")
    out = inside(conman, image, "-e", "A=one  1", "--env-file", str(folder / "env"), "--", "sh", "-c", 'echo "$A|$B|$C|$HOME"')
    assert out == "one  1|two|three|/root"


def test_a_working_folder_that_is_missing(conman: Command, image: str) -> None:
    """As with podman; the image's own is made, see tests/integration/real_images."""
    done = conman("run", "--rm", "-w", "/not/there", image, "pwd")
    assert done.returncode == 126 and done.stderr.startswith('Error: workdir "/not/there" does not exist on container ')


def test_user_and_groups(conman: Command, image: str) -> None:
    out = inside(conman, image, "-u", "1234:99", "--group-add", "7", "--", "sh", "-c", "id -u; id -g; id -G")
    assert out.split("\n")[:2] == ["1234", "99"] and set(out.split("\n")[2].split()) == {"99", "7"}
    assert inside(conman, image, "-u", "nobody", "--", "id", "-u") == "65534"


def test_names_and_hosts(conman: Command, image: str) -> None:
    out = inside(conman, image, "--hostname", "the-host", "--add-host", "far:10.1.2.3", "--", "sh", "-c",
                 "hostname; cat /etc/hostname; cat /etc/hosts")
    assert out.startswith("the-host\nthe-host\n") and "10.1.2.3\tfar" in out.replace(" ", "\t") and "localhost" in out


def test_name_servers(conman: Command, image: str) -> None:
    out = inside(conman, image, "--dns", "192.0.2.1", "--dns-search", "example.org", "--", "cat", "/etc/resolv.conf")
    assert "nameserver 192.0.2.1" in out and "search example.org" in out


def test_read_only_and_tmpfs(conman: Command, image: str) -> None:
    assert conman("run", "--rm", "--read-only", image, "touch", "/file").returncode == 1
    assert inside(conman, image, "--read-only", "--tmpfs", "/scratch:size=1m", "--", "sh", "-c",
                  "touch /scratch/x /tmp/x && df -k /scratch | tail -1 | awk '{print $2}'") == "1024"


def test_bind_mounts(conman: Command, image: str, folder: Path) -> None:
    (folder / "f").write_text("seen\n")
    out = inside(conman, image, "-v", f"{folder}:/in", "-v", f"{folder}:/fixed:ro", "--", "sh", "-c",
                 "cat /in/f; echo new > /in/g; echo no > /fixed/h; echo $?")
    assert out.split() == ["seen", "1"] and (folder / "g").read_text() == "new\n"


def test_limits_are_in_the_cgroups(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("limited")
    conman.ok("run", "-d", "--name", "limited", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "33", image, "sleep", "1000")
    pid = conman.inspect("limited")["State"]["Pid"]
    assert isinstance(pid, int)
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        path = Path("/sys/fs/cgroup" + Path(f"/proc/{pid}/cgroup").read_text().strip().split("::")[1])
        assert (path / "memory.max").read_text().strip() == str(64 << 20)
        assert (path / "pids.max").read_text().strip() == "33"
        assert (path / "cpu.max").read_text().split() == ["50000", "100000"]
        return
    assert cgroup_file(pid, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert cgroup_file(pid, "pids", "pids.max") == "33"
    assert cgroup_file(pid, "cpu", "cpu.cfs_quota_us") == "50000"


def test_too_much_memory_is_a_kill(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("greedy")
    done = conman("run", "--name", "greedy", "--memory", "16m", "--memory-swap", "16m", image,
                  "sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=64M count=1")
    assert done.returncode == 137
    assert conman.inspect("greedy")["State"]["OOMKilled"] is True


def test_capabilities(conman: Command, image: str) -> None:
    def held(*options: str) -> int:
        return int(inside(conman, image, *options, "--", "grep", "CapBnd", "/proc/self/status").split()[1], 16)

    chown, sys_admin = 1 << 0, 1 << 21
    assert held() & chown and not held() & sys_admin
    assert not held("--cap-drop", "CHOWN") & chown
    assert held("--cap-add", "SYS_ADMIN") & sys_admin
    assert held("--cap-drop", "all") == 0


def test_seccomp_and_new_privileges(conman: Command, image: str, folder: Path) -> None:
    def status(*options: str) -> dict[str, str]:
        lines = inside(conman, image, *options, "--", "cat", "/proc/self/status").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    assert status()["Seccomp"] == "2"
    assert status("--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    assert status("--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"
    (folder / "profile.json").write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}')
    done = conman("run", "--rm", "--security-opt", f"seccomp={folder}/profile.json", image, "mkdir", "/x")
    assert done.returncode == 1 and "not permitted" in done.stderr


def test_init(conman: Command, image: str) -> None:
    assert inside(conman, image, "--init", "--", "sh", "-c", "echo $$") != "1"
    assert conman("run", "--rm", "--init", image, "sh", "-c", "exit 9").returncode == 9


def test_networks(conman: Command, image: str) -> None:
    def devices(*options: str) -> set[str]:
        out = inside(conman, image, *options, "--", "cat", "/proc/net/dev")
        return {line.split(":")[0].strip() for line in out.splitlines()[2:]}

    here = {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}
    assert devices() == devices("--network", "none")
    assert "lo" in devices() and not devices() & (here - {"lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0"})
    assert devices("--network", "host") == here


def test_namespaces_of_another_container(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("other")
    conman.ok("run", "-d", "--name", "other", "--hostname", "otherhost", image, "sleep", "1000")

    def of(name: str) -> str:
        return conman.ok("exec", "other", "readlink", f"/proc/self/ns/{name}").strip()

    for option, name in (("--network", "net"), ("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts")):
        assert inside(conman, image, option, "container:other", "--", "readlink", f"/proc/self/ns/{name}") == of(name)
    out = inside(conman, image, "--network", "container:other", "--", "cat", "/etc/hosts")
    assert out == conman.ok("exec", "other", "cat", "/etc/hosts").rstrip("\n")
    assert "sleep 1000" in inside(conman, image, "--pid", "container:other", "--", "ps")


def test_namespaces_of_a_container_that_does_not_run(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("off")
    conman.ok("create", "--name", "off", image, "true")
    done = conman("run", "--rm", "--network", "container:off", image, "true")
    assert done.returncode == 125 and "off" in done.stderr and "not running" in done.stderr
    done = conman("run", "--rm", "--network", "container:nobody", image, "true")
    assert done.returncode == 125 and "nobody" in done.stderr


def test_limits_of_processes(conman: Command, image: str) -> None:
    assert inside(conman, image, "--ulimit", "nofile=100:200", "--", "sh", "-c", "ulimit -n; ulimit -Hn") == "100\n200"


def test_limits_above_ours(conman: Command, image: str) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if hard == resource.RLIM_INFINITY:
        hard = (1 << 64) - 2
    done = conman("run", "--rm", "--ulimit", f"nproc={hard + 1}:{hard + 1}", image, "sh", "-c", "ulimit -Hp")
    lines = done.stderr.splitlines()
    # With CAP_SYS_RESOURCE it works, without it is said in one line.
    assert done.returncode == 0 or (done.returncode == 125 and lines[0].startswith("Error: ") and len(lines) <= 2), done.stderr


def test_own_cgroup_and_keyring(conman: Command, image: str) -> None:
    assert inside(conman, image, "--", "sh", "-c", "test -d /sys/fs/cgroup && echo yes") == "yes"
    assert inside(conman, image, "--shm-size", "2m", "--", "sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'") == "2048"


@pytest.mark.parametrize("option", ["--privileged", "--cgroupns=host", "--pid=host"])
def test_wide_options_work(conman: Command, image: str, option: str) -> None:
    assert inside(conman, image, option, "--", "echo", "up") == "up"
