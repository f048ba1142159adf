"""A pull that was killed in the middle is gone on with by the next command, from the byte where it stopped."""

from __future__ import annotations

import os
import random
import signal
from contextlib import closing
from pathlib import Path

from conman_kernel.cancel import Cancel
from conman_kernel.support.inotify import IN_FOLDER, Watch
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import digest_of, file, image, layer
from conman_kernel.testing.registry import Action, Fault, Registry

LAYER = layer([file("f", random.Random(5).randbytes(6_000_000))])
STOP = 3_000_000
ENOUGH = 2_000_000


def test_the_next_command_goes_on_from_the_byte(scratch: Path) -> None:
    conman = Command(str(scratch))
    made, digest = image([LAYER]), digest_of(LAYER)
    partial = Path(conman.root) / "ingest" / digest.replace(":", "-")
    partial.parent.mkdir(parents=True)
    with Registry() as registry:
        registry.add_image(made, "box:v1")
        registry.fail(Fault(Action.STALL, on=f"/blobs/{digest}", at=STOP, times=1))
        with closing(Watch(str(partial.parent), IN_FOLDER)) as watch, Cancel(60) as patience:
            first = conman.start("pull", "-q", f"{registry.host}/box:v1")
            while not (partial.exists() and partial.stat().st_size > ENOUGH):
                patience.wait_readable(watch.fileno())
                watch.clear()
        first.send_signal(signal.SIGKILL)
        first.communicate()
        reached = partial.stat().st_size
        registry.forget()
        assert conman.ok("pull", "-q", f"{registry.host}/box:v1").strip()
        asked = [r for r in registry.requests if r.path.endswith(digest)]
        assert [(r.headers.get("range"), r.status) for r in asked] == [(f"bytes={reached}-", 206)]
    assert not os.listdir(partial.parent)


def test_a_connection_that_is_cut_is_gone_on_with_in_the_same_command(scratch: Path) -> None:
    conman = Command(str(scratch))
    made, digest = image([LAYER]), digest_of(LAYER)
    with Registry() as registry:
        registry.add_image(made, "box:v1")
        registry.fail(Fault(Action.CUT, on=f"/blobs/{digest}", at=STOP, times=1))
        assert conman.ok("pull", "-q", f"{registry.host}/box:v1").strip()
        asked = [r for r in registry.requests if r.path.endswith(digest)]
        assert [r.headers.get("range") for r in asked] == [None, f"bytes={STOP}-"]
