"""What a network plugin refuses, breaks or keeps waiting: the container is as before, and everybody else's things are given back.

In this process, with networks on paper: no packet moves, and the plugin can be told to fail.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Cancel, Conman, ContainerOptions, NetworkOption, PublishedPort
from conman_kernel.errors import Cancelled, ConmanError, InvalidState, NotFound, PluginNotInstalled, Unavailable
from conman_kernel.slots import NETWORK
from conman_kernel.slots.network import JoinRequest, LeaveRequest
from conman_kernel.slots.provider import AS_CONFIGURED
from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.paper_network import PaperNetwork

SLEEP = ("sleep", "1000")


class Log:
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str, *args: object) -> None: ...

    def info(self, message: str, *args: object) -> None: ...

    def warning(self, message: str, *args: object) -> None:
        self.warnings.append(message % args)


class Bench:
    """A store with an image, and its network plugin."""

    def __init__(self, folder: Path, image: str) -> None:
        self.log = Log()
        self.conman = Conman(root=str(folder / "root"), run_root=str(folder / "run"), environ={}, log=self.log)
        self.paper = PaperNetwork(str(folder / "paper"))
        self.conman.plugins._open[(NETWORK.group, "cni-network", AS_CONFIGURED)] = self.paper
        self.image = self.conman.images.pull(image)
        self.conman.networks.create("front")
        self.conman.networks.create("back")
        self.conman.containers.run(self.image, ["true"], options=ContainerOptions(remove=True, network="none"))
        # Ends are settled by this process, which has the plugin on paper; a clean-up command would not have it.
        self.conman.containers.context.cleanup_argv = lambda id: ("/bin/true",)  # type: ignore[method-assign]
        self.before = look(str(folder / "root"), str(folder / "run"))
        self.folder = folder

    def options(self, *networks: str, remove: bool = False, ports: tuple[PublishedPort, ...] = ()) -> ContainerOptions:
        return ContainerOptions(name="one", command=SLEEP, networks=tuple(NetworkOption(name) for name in networks), remove=remove,
                                ports=ports)

    def nothing_left(self) -> None:
        """No mount, process, folder or address."""
        assert differences(self.before, f"{self.folder}/root", f"{self.folder}/run") == []
        assert all(self.paper.members(network.definition) == {} for network in self.conman.networks.list())


@pytest.fixture
def bench(box: str) -> Iterator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="cp-", dir="/dev/shm"))
    made = Bench(folder, box)
    yield made
    made.paper.before_join = lambda request: None
    made.paper.before_leave = lambda request: None
    for container in made.conman.containers.list(all=True):
        container.remove(force=True, timeout=0)
    made.conman.close()
    shutil.rmtree(folder)


def refuse(network: str, error: ConmanError) -> object:
    def before(request: JoinRequest) -> None:
        if request.network.name == network:
            raise error
    return before


@pytest.mark.parametrize("network", ["front", "back"])
def test_a_join_that_fails_is_taken_back(bench: Bench, network: str) -> None:
    bench.paper.before_join = refuse(network, Unavailable("no more addresses"))  # type: ignore[assignment]
    made = bench.conman.containers.create(bench.image, bench.options("front", "back"))
    for _ in range(2):
        with pytest.raises(Unavailable, match="no more addresses"):
            made.start()
        assert made.refresh().state == "created" and made.error == "no more addresses"
        assert {one.result for one in made.networks.values()} == {None}
    bench.paper.before_join = lambda request: None
    made.start()
    assert [one.network.name for one in bench.paper.joins[-2:]] == ["front", "back"]
    made.remove(force=True, timeout=0)
    bench.nothing_left()


def test_a_run_that_cannot_join_leaves_no_container(bench: Bench) -> None:
    bench.paper.before_join = refuse("front", Unavailable("broken"))  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="broken"):
        bench.conman.containers.run_detached(bench.image, bench.options("front", remove=True))
    assert bench.conman.containers.list(all=True) == []
    bench.nothing_left()


def test_a_runtime_that_refuses_leaves_the_networks(bench: Bench) -> None:
    with pytest.raises(ConmanError, match="no-such-program"):
        bench.conman.containers.run_detached(bench.image, bench.options("front")._replace(command=("no-such-program",)))
    assert len(bench.paper.leaves) == 1
    bench.nothing_left()


def test_a_join_that_hangs_is_given_up(bench: Bench) -> None:
    cancel, waiting = Cancel(), threading.Event()

    def hang(request: JoinRequest) -> None:
        waiting.set()
        request.cancel.wait_readable(timeout=60)

    bench.paper.before_join = hang
    failed: list[BaseException] = []

    def run() -> None:
        try:
            bench.conman.containers.run_detached(bench.image, bench.options("front"), cancel=cancel)
        except BaseException as error:  # noqa: BLE001 (looked at below)
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(60)
    cancel.cancel()
    thread.join(60)
    assert isinstance(failed[0], Cancelled)
    bench.nothing_left()


def test_what_cannot_be_given_back_is_kept_and_tried_again(bench: Bench) -> None:
    def broken(request: LeaveRequest) -> None:
        raise Unavailable("its tools are gone")

    made = bench.conman.containers.run_detached(bench.image, bench.options("front"))
    bench.paper.before_leave = broken
    made.stop(timeout=0)
    assert made.refresh().state == "exited" and made.networks["front"].result is not None
    assert any("its tools are gone" in warning for warning in bench.log.warnings)
    assert "network-left" in {finding.kind for finding in bench.conman.system.check().findings}
    with pytest.raises(Unavailable, match="its tools are gone"):
        made.remove()
    assert made.refresh().state == "exited"
    bench.paper.before_leave = lambda request: None
    report = bench.conman.system.check(repair=True)
    assert "network-left" in {one.finding.kind for one in report.repaired} and report.remaining == ()
    made.remove()
    bench.nothing_left()


def test_after_an_end_that_gave_nothing_back_a_start_does_so_first(bench: Bench) -> None:
    from conman_kernel.networks import rows
    from conman_kernel.processes import boot_id

    made = bench.conman.containers.create(bench.image, bench.options("front"))
    with bench.conman.containers.context.index.write() as connection:
        rows.record(connection, made.id, "front", rows.Result("another boot", "one"))
    made.start()
    assert [one.joining.namespace for one in bench.paper.leaves] == [""], "of a boot that is over there is no namespace"
    result = made.networks["front"].result
    assert result is not None and result.boot_id == boot_id() and result.joined is not None
    made.remove(force=True, timeout=0)


def test_the_plugin_is_told_what_was_asked(bench: Bench) -> None:
    options = ContainerOptions(name="one", command=SLEEP, ports=(PublishedPort(80, 47811, "127.0.0.1"),), networks=(
        NetworkOption("front", (), "92:d0:c6:0a:29:33", ("www",)), NetworkOption("back", interface="net0")))
    made = bench.conman.containers.run_detached(bench.image, options)
    first, second = bench.paper.joins
    assert (first.container, first.name, first.interface, first.mac, first.aliases) == (
        made.id, "one", "eth0", "92:d0:c6:0a:29:33", ("www",))
    assert [tuple(port) for port in first.ports] == [("127.0.0.1", 47811, 80, "tcp")] and second.ports == ()
    assert second.interface == "net0" and first.namespace == second.namespace
    with pytest.raises(InvalidState, match="in use, by container one"):
        bench.conman.containers.run_detached(bench.image, options._replace(name="two"))
    made.disconnect("back")
    assert bench.paper.leaves[-1].joining.interface == "net0"
    bench.conman.networks.get("back").connect(made, aliases=("db",))
    assert (bench.paper.joins[-1].interface, bench.paper.joins[-1].aliases) == ("eth1", ("db",))
    with pytest.raises(NotFound):
        made.disconnect("nowhere")
    made.remove(force=True, timeout=0)


def test_a_live_connection_that_fails_leaves_the_container_as_it_was(bench: Bench) -> None:
    made = bench.conman.containers.run_detached(bench.image, bench.options("front"))
    bench.paper.before_join = refuse("back", Unavailable("broken"))  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="broken"):
        made.connect("back")
    assert list(made.networks) == ["front"] and made.refresh().state == "running"
    made.remove(force=True, timeout=0)


def test_without_the_plugin_the_rest_works(box: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cp-", dir="/dev/shm"))
    try:
        with Conman(root=str(folder / "root"), run_root=str(folder / "run"), environ={},
                    overrides={"network.name": "no-network"}) as conman:
            image = conman.images.pull(box)
            with pytest.raises(PluginNotInstalled) as caught:
                conman.containers.run(image, ["true"])
            assert "--network none and --network host work without it" in caught.value.hint
            assert conman.containers.list(all=True) == []
            assert conman.containers.run(image, ["true"], options=ContainerOptions(network="none", remove=True)).exit_code == 0
    finally:
        shutil.rmtree(folder)
