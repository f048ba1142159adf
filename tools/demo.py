"""``make demo``: what conman does, in a minute, with nothing but this machine.

Serves an image made of the machine's busybox from a loopback registry, then uses the installed ``conman`` as a person
would: pull, run, swap the storage driver and the runtime by configuration alone, run again. On a terminal it ends in a
shell in a container. Everything lies in one temporary folder that is removed at the end.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from conman_kernel.testing.images import busybox_image
from conman_kernel.testing.registry import Registry

CONMAN = Path(sys.executable).with_name("conman")
HELLO = "echo \"hello from $(hostname), a container of $(wc -l < /proc/mounts) mounts; I am process $$\"; exit 7"


class Demo:
    """One demonstration: its folder, the environment of its commands, and what went wrong."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder = folder
        self.image = f"{registry}/demo/box"
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("CONMAN_")}
        self.environ.update(CONMAN_ROOT=str(folder / "root"), CONMAN_RUN_ROOT=str(folder / "run"),
                            XDG_CONFIG_HOME=str(folder / "config"), CONMAN_CONTAINERS_NETWORK="none")
        self.failures: list[str] = []

    def say(self, text: str) -> None:
        """A heading."""
        print(f"\n== {text}", flush=True)

    def show(self, *arguments: str, expect: int | None = 0) -> int:
        """Print a command, run it on this terminal, print an exit code that is not 0."""
        print(f"$ conman {shlex.join(arguments)}", flush=True)
        code = subprocess.run([str(CONMAN), *arguments], env=self.environ).returncode
        if code:
            print(f"(exit code {code})", flush=True)
        if expect is not None and code != expect:
            self.failures.append(f"conman {shlex.join(arguments)}: exit code {code}, not {expect}")
        return code

    def configure(self, text: str) -> None:
        """Write the user's conman.toml and show it."""
        path = Path(self.environ["XDG_CONFIG_HOME"], "conman", "conman.toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"$ cat {path}\n{text}", end="", flush=True)

    def works(self, *arguments: str) -> str:
        """Try a command unseen. Returns ``""`` where it works, else its own words."""
        done = subprocess.run([str(CONMAN), *arguments], env=self.environ, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"

    def first_run(self) -> None:
        """Pull and run with the defaults."""
        self.say("an image comes over HTTP from a registry on this machine")
        self.show("pull", self.image)
        self.show("images")
        self.say("a command runs in it; its output and its exit code come back")
        self.show("run", "--rm", self.image, "sh", "-c", HELLO, expect=7)
        self.show("run", "--name", "kept", self.image, "cat", "/etc/os-release")
        self.show("ps", "-a")
        self.show("logs", "kept")
        self.show("rm", "kept")

    def other_storage(self) -> None:
        """The storage driver, swapped by configuration alone."""
        self.say("another storage driver: plain copies instead of overlayfs; only the configuration changes")
        self.configure('[storage]\ndriver = "vfs-storage"\n')
        self.show("run", "--rm", self.image, "sh", "-c", HELLO, expect=7)

    def other_runtime(self) -> None:
        """The runtime, swapped the same way where the other one works on this host."""
        self.say("another runtime: crun instead of runc")
        self.configure('[storage]\ndriver = "vfs-storage"\n\n[runtime]\nname = "crun-runtime"\n')
        why = self.works("run", "--rm", self.image, "true")
        if "defect" in why or "Traceback" in why:
            self.failures.append(f"conman run with crun: {why}")
        elif why:
            print(f"crun does not work on this host; it says:\n  {why.replace(chr(10), chr(10) + '  ')}", flush=True)
        else:
            self.show("run", "--rm", self.image, "sh", "-c", HELLO, expect=7)
        self.configure('[storage]\ndriver = "overlay-storage"\n')

    def shell(self) -> None:
        """On a terminal: a shell for the person."""
        if sys.stdin.isatty() and sys.stdout.isatty():
            self.say("your turn: a shell in a container (leave it with exit or ctrl-d)")
            self.show("run", "--rm", "-it", "--hostname", "demo", self.image, "sh", expect=None)

    def clean(self) -> None:
        """Remove the containers, and the folder unless something is still mounted there."""
        listed = subprocess.run([str(CONMAN), "ps", "-a", "-q", "--no-trunc"], env=self.environ, capture_output=True)
        names = listed.stdout.decode().split()
        if names:
            self.failures.append(f"left behind: {len(names)} containers")
            subprocess.run([str(CONMAN), "rm", "--force", *names], env=self.environ, stdout=subprocess.DEVNULL)
        left = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
                if line.split()[4].startswith(f"{self.folder}/")]
        for point in sorted(left, reverse=True):
            subprocess.run(["umount", "-l", point])
        if left:
            self.failures.append(f"left mounted: {', '.join(left)}")
        shutil.rmtree(self.folder)


def main() -> int:
    """Run the demonstration; 0 where every step did what it should."""
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", sys.executable, *sys.argv])
    with Registry() as registry:
        registry.add_image(busybox_image(shutil.which("busybox") or "/bin/busybox"), "demo/box:latest")
        demo = Demo(Path(tempfile.mkdtemp(prefix="conman-demo-")), registry.host)
        try:
            for step in (demo.first_run, demo.other_storage, demo.other_runtime, demo.shell):
                step()
        except KeyboardInterrupt:
            demo.failures.append("interrupted")
        finally:
            demo.clean()
    print("\n== " + ("done; everything the demo made is removed" if not demo.failures else "the demo failed"))
    for failure in demo.failures:
        print(f"demo: {failure}", file=sys.stderr)
    return bool(demo.failures)


if __name__ == "__main__":
    sys.exit(main())
