"""Every hostile registry through the whole product: its verdict, in bounded time and memory, with nothing left behind."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Cancel, Conman
from conman_kernel.errors import ConmanError, Unavailable
from conman_kernel.slots.provider import Access
from conman_kernel.testing.registry import Registry

from .registries.faults import CASES, IMAGE, LAYER, Case

OPTIONS = """
[plugin.registry-pull]
connect_timeout = 2.0
read_timeout = 0.4
attempts = 2
longest_pause = 5.0
min_speed = 1000.0
"""
SECONDS = 20.0
"""Within which each verdict must be there; the caller's deadline is later, so that it is not what ends a case."""
MOST_MEMORY = 40 << 20


@pytest.fixture(scope="module")
def conman(place: Path) -> Iterator[Conman]:
    """A store that has the image, for pushes, by the name ``store/box:1``."""
    folder = place / "registries"
    folder.mkdir()
    (folder / "conman.toml").write_text(OPTIONS)
    made = Conman(root=str(folder / "root"), run_root=str(folder / "run"), config=str(folder / "conman.toml"), environ={},
                  log=logging.getLogger("hostile"), overrides={"storage.driver": "vfs-storage"})
    yield made
    made.close()
    shutil.rmtree(folder)


def forget_partials(conman: Conman) -> None:
    """Let the next pull begin anew: what broke keeps what came."""
    shutil.rmtree(conman.layout.ingest, ignore_errors=True)


def do(conman: Conman, case: Case, host: str, folder: Path) -> None:
    """Make the case's call, and look at what it brings."""
    kept = str(folder / "auth.json")
    access = Access(auth_file=kept, credentials=("ann", "s3cret") if case.signed else None)
    with Cancel(3 * SECONDS) as cancel:
        if case.call == "pull":
            found = conman.images.pull(f"{host}/case:1", access=access, cancel=cancel)
            assert found.digest == IMAGE.descriptor.digest
            conman.images.remove(found.id)
        elif case.call == "push":
            with Registry() as honest:
                honest.add_image(IMAGE, "box:1")
                image = conman.images.pull(f"{honest.host}/box:1", cancel=cancel)
            try:
                conman.images.push(image.id, f"{host}/case:1", access=access, cancel=cancel)
            finally:
                conman.images.remove(image.id)
        elif case.call == "tags":
            assert list(conman.registries.tags(f"{host}/case", access=access, cancel=cancel))
        elif case.call == "repositories":
            assert list(conman.registries.repositories(host, access=access, cancel=cancel))
        else:
            conman.registries.login(host, "ann", "s3cret", access=access, cancel=cancel)
            assert Path(kept).exists()


def test_names_are_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_registry(case: Case, conman: Conman, tmp_path: Path) -> None:
    with Registry(auth=case.auth) as registry:
        if case.call != "push":
            registry.add_image(IMAGE, "case:1")
        registry.fail(*(fault._replace(headers=tuple((key, value.replace("HOST", registry.host)) for key, value in fault.headers))
                        for fault in case.faults))
        forget_partials(conman)
        tracemalloc.start()
        began = time.monotonic()
        try:
            if case.verdict is None:
                do(conman, case, registry.host, tmp_path)
            else:
                with pytest.raises(ConmanError) as caught:
                    do(conman, case, registry.host, tmp_path)
        finally:
            took, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
        if case.verdict is not None:
            said = str(caught.value)
            assert type(caught.value) is case.verdict.error, f"{type(caught.value).__name__}: {said}"
            assert [word for word in case.verdict.words if word not in said] == [], said
            assert len(said.splitlines()) == 1 and said.isprintable() and len(said) < 1000, repr(said)
            assert "s3cret" not in said + caught.value.hint
        assert case.check(registry), [(r.method, r.path, r.port, sorted(r.headers), r.status) for r in registry.requests]
        assert registry.count() <= case.most
    assert took < SECONDS
    assert peak < MOST_MEMORY, f"{peak >> 20} MiB"
    assert conman.images.list() == []
    assert list(tmp_path.iterdir()) == []


def test_headers_without_end(conman: Conman) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        def flood(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while True:
                        connection.sendall(b"X-More: " + b"y" * 4000 + b"\r\n")
                except OSError:
                    return  # the client has had enough

        def serve() -> None:
            floods = []
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    break
                floods.append(threading.Thread(target=flood, args=(connection,)))
                floods[-1].start()
            for one in floods:
                one.join()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(Unavailable, match="connection") as caught, Cancel(60) as cancel:
                conman.images.pull(f"127.0.0.1:{server.getsockname()[1]}/case:1", cancel=cancel)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
    assert str(caught.value).isprintable()


def test_from_https_to_http(conman: Conman, place: Path, tmp_path: Path) -> None:
    from conman_kernel.testing.registry import Action, Fault

    if shutil.which("openssl") is None:
        pytest.skip("not installed: openssl")
    pair = (str(tmp_path / "ca.crt"), str(tmp_path / "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                    pair[1], "-out", pair[0], "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    with Registry(tls=pair) as registry, Registry() as plain:
        registry.add_image(IMAGE, "case:1")
        plain.add_image(IMAGE, "case:1")
        registry.fail(Fault(Action.REDIRECT, on="/blobs/", value=f"http://{plain.host}/v2/case/blobs/x"))
        access = Access(tls_verify=True, cert_dir=str(tmp_path), auth_file=str(tmp_path / "auth.json"))
        with pytest.raises(Unavailable, match="away from https"), Cancel(60) as cancel:
            conman.images.pull(f"{registry.host}/case:1", access=access, cancel=cancel)
        assert plain.count() == 0


def test_the_layer_is_large_enough_to_break_in_the_middle() -> None:
    assert len(LAYER) > 512 * 1024
