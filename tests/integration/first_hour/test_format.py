"""The one-liners of podman's own pages (podman-*.1, EXAMPLES) that have a ``--format``, typed as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from typing import Iterator

import pytest

from ..networks.conftest import Host

ID = "[0-9a-f]{12}"
WHOLE = "[0-9a-f]{64}"
LINES = [
    ("ps -a --format '{{.ID}}  {{.Image}}  {{.Labels}}  {{.Mounts}}'", rf"{ID}  \S+/servers:1  map\[made:here\]  \[[^]]*\]"),
    ("ps -a --format '{{.Names}} {{.Status}}'", r"web Up .+"),
    ("images --sort repository --format 'table {{.ID}} {{.Repository}} {{.Tag}}'",
     rf"IMAGE ID\s+REPOSITORY\s+TAG\n{ID}\s+\S+/servers\s+1"),
    ("inspect web --format '{{.ImageName}}'", r"\S+/library/servers:1"),
    ("inspect web --format '{{.GraphDriver.Name}}'", r"overlay-storage"),
    ("inspect --format 'imageId: {{.Id}} size: {{.Size}}' IMAGE", rf"imageId: {WHOLE} size: \d+"),
    ("image inspect --format 'size: {{.Size}}' IMAGE", r"size: \d{8,}"),
    ("image inspect --format '{{ .Id }}' IMAGE", WHOLE),
    ("container inspect -l --format '{{.Id}} {{.Config.Labels}}'", rf"{WHOLE} map\[made:here\]"),
    ("container inspect web --format '{{.ImageName}}'", r"\S+/library/servers:1"),
    ("container inspect --latest --format {{.EffectiveCaps}}", r"\[CAP_.*\]"),
    ("history --format '{{.ID}} {{.Created}}' IMAGE", rf"({ID}|<missing>) .+"),
    ("network ls --filter driver=bridge --format {{.Name}}", r"bridge"),
    ("network ls --format '{{.Name}}: {{range .Subnets}}{{.Subnet}} {{end}}'", r"bridge: 10\.88\.0\.0/16 "),
    ("network inspect bridge --format '{{range .Subnets}}Subnet: {{.Subnet}} Gateway: {{.Gateway}}{{end}}'",
     r"Subnet: 10\.88\.0\.0/16 Gateway: 10\.88\.0\.1"),
    ("volume ls --format '{{.Driver}} {{.Scope}}'", r"local local"),
    ("volume inspect --format '{{.Driver}} {{.Scope}}' myvol", r"local local"),
    ("stats --no-stream --format 'table {{.ID}} {{.Name}} {{.MemUsage}}' web",
     rf"ID\s+NAME\s+MEM USAGE / LIMIT\n{ID}\s+web\s+\S+B / \S+B"),
    ("stats --no-stream --no-trunc web --format 'table {{ .ID }} {{ .MemUsage }}'", rf"ID\s+MEM USAGE / LIMIT\n{WHOLE}\s+.*B"),
    ("version --format '{{.Client.Version}}'", r"\d+\.\d+\.\S+"),
    ("info --format '{{.Host.Arch}}'", r"\w+"),
    (r"system df --format '{{.Type}}\t{{.Total}}'", r"Images\t1\nContainers\t1\nLocal Volumes\t1(\n.+)*"),
    ("events --stream=false --since 10m --filter event=create --filter type=container --format {{.Image}}", r"(\S+/library/servers:1\n?)+"),
]
DOCUMENTS = [
    "images --format json", "info --format json", "history --format json IMAGE", "volume ls --format json", "ps --format json",
    "stats --no-stream --format=json web", "image list --format json", "diff --format json web", "network ls --format json"]


@pytest.fixture(scope="module")
def there(hour: Host) -> Iterator[Host]:
    """The host with a container and a volume."""
    hour.conman.ok("volume", "create", "myvol")
    hour.conman.ok("run", "-d", "--name", "web", "-v", "myvol:/data", hour.image, "sleep", "1000")
    yield hour
    hour.conman.clear()
    hour.conman.ok("volume", "rm", "myvol")


def words(host: Host, line: str) -> list[str]:
    return [host.image if word == "IMAGE" else word for word in shlex.split(line)]


@pytest.mark.parametrize("line, pattern", LINES, ids=[line for line, _ in LINES])
def test_a_line_of_podmans_pages(there: Host, line: str, pattern: str) -> None:
    said = there.conman.ok(*words(there, line))
    assert re.fullmatch(pattern, said.removesuffix("\n")), said


@pytest.mark.parametrize("line", DOCUMENTS)
def test_a_document_of_podmans_pages(there: Host, line: str) -> None:
    assert json.loads(there.conman.ok(*words(there, line)))
