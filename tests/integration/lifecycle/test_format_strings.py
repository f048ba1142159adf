"""Format strings from docker's and podman's documentation and from people's scripts, on a store with one of each."""

from __future__ import annotations

import json
import re

import pytest

from conman_kernel.testing.command import Command


@pytest.fixture
def stocked(conman: Command, image: str, gone: list[str]) -> Command:
    """A store with a container that runs (``web``) and one that has ended (``done``)."""
    gone.extend(("web", "done"))
    conman.ok("run", "-d", "--name", "web", "--label", "app=web", "--label", "com.example/tier=front", "--env", "COLOR=red",
              "-v", "/tmp:/data:ro", image, "sleep", "1000")
    assert conman("run", "--name", "done", image, "sh", "-c", "exit 3").returncode == 3
    return conman


PS = [
    ("{{.ID}}  {{.Image}}  {{.Labels}}  {{.Mounts}}", r"[0-9a-f]{12}  \S+  map\[.*app:web.*\]  \[/data\]"),
    ("{{.ID}}: {{.Command}}", "[0-9a-f]{12}: sleep 1000"),
    ("{{.Names}} {{.State}} {{.Status}} {{.RunningFor}}", "web running Up .* ago .* ago"),
    ('{{.Names}}\\t{{.Label "com.example/tier"}}', "web\tfront"),
    ("{{.Names}} {{.Ports}}|{{.Networks}}", r"web .*\|.*"),
    ("{{if eq .State \"running\"}}{{.Names}} is up{{else}}{{.Names}} is down{{end}}", "web is up"),
    ("{{.Pid}} {{.ExitCode}} {{.Exited}} {{.AutoRemove}} {{.IsInfra}} {{.Pod}}{{.PodName}}", r"[1-9]\d* 0 false false false "),
    ("{{.Size}}", r"[\d.]+k?B \(virtual [\d.]+[kM]B\)"),
    ("{{.CreatedAt}}|{{.CreatedHuman}}", r"\d{4}-\d\d-\d\d [\d:.]+ \+0000 UTC\|.* ago"),
    ('{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', ".*app=web;.*com.example/tier=front;"),
    ('{{printf "%-6s|%.4s" .Names .ID}}', r"web   \|[0-9a-f]{4}"),
    ("{{.Names | upper}} {{len .Mounts}} {{index .Mounts 0}} {{join .Mounts \",\"}}", "WEB 1 /data /data"),
    ("{{json .Names}} {{json .Labels}}", r'"web" \{.*"app":"web".*\}'),
]


def test_format_strings(stocked: Command, image: str) -> None:
    for format, wanted in PS:
        shown = stocked.ok("ps", "--format", format)
        assert re.fullmatch(wanted + "\n", shown), (format, shown)
    _tables(stocked)
    _of_inspect(stocked)
    _of_other_things(stocked, image)
    _of_the_store(stocked, image)


def _tables(conman: Command) -> None:
    lines = conman.ok("ps", "-a", "--format", "table {{.ID}}\t{{.Names}}\t{{.ExitCode}}\t{{.CreatedAt}}").splitlines()
    assert re.fullmatch("CONTAINER ID  NAMES +EXIT CODE +CREATED AT", lines[0])
    assert {(line.split()[1], line.split()[2]) for line in lines[1:]} == {("done", "3"), ("web", "0")}
    assert conman.ok("ps", "-a", "--sort", "names", "--format", "{{range .}}{{.Names}},{{end}}") == "done,web,\n"
    assert "virtual" in conman.ok("ps", "-as").splitlines()[1] and conman.ok("ps", "-as").splitlines()[0].endswith("SIZE")
    assert json.loads(conman.ok("ps", "-as", "--format", "json"))[0]["Size"]["rootFsSize"] > 0


INSPECT = [
    ("{{.State.Running}} {{.State.Status}} {{.State.ExitCode}}", "true running 0"),
    ("{{range .Mounts}}{{.Source}}:{{.Destination}}{{if not .RW}}:ro{{end}}{{end}}", "/tmp:/data:ro"),
    ('{{index .Config.Labels "com.example/tier"}}', "front"),
    ('{{index .Config.Labels "nope"}}|', r"\|"),
    ("{{range .Config.Env}}{{println .}}{{end}}", "(?s).*COLOR=red\n.*"),
    ("{{json .Config.Cmd}}", r'\["sleep","1000"\]'),
    ("{{.Id}} {{.ID}} {{.Name}}", r"([0-9a-f]{64}) \1 web"),
    ('{{join .Config.Cmd " "}}', "sleep 1000"),
    ("{{with .HostConfig}}{{.NetworkMode}} {{.Privileged}}{{end}}", r"\S+ false"),
    ('{{if .State.Pid}}{{.State.Pid}}{{else}}none{{end}}', r"\d+"),
    ("{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}", ".*"),
    ("{{ len .HostConfig.Binds }} {{ slice .Id 0 12 }}", "1 [0-9a-f]{12}"),
    ("{{.Config.Volumes}} {{.Config.Healthcheck}} {{.Pod}}{{.Config.ExposedPorts}}", r"map\[\] <nil> map\[\]"),
    ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}|{{.LogPath}}", r"(none)?\|/.*/ctr\.log"),
    ("{{.SizeRw}}{{json .Config.Volumes}}", "<nil>null"),
]


def _of_inspect(conman: Command) -> None:
    for format, wanted in INSPECT:
        for verb in (("inspect",), ("container", "inspect")):
            shown = conman.ok(*verb, "-f", format, "web")
            assert re.fullmatch(wanted + "\n", shown), (format, shown)
    done = conman("inspect", "-f", "{{.State.Stauts}}", "web")
    assert done.returncode == 125 and done.stdout == ""
    assert "Error: --format: template 1:3 at <.State.Stauts>: can't evaluate field Stauts\nHint: did you mean .Status?\n" in done.stderr


def _of_other_things(conman: Command, image: str) -> None:
    assert re.fullmatch(r"\S*\|\S*\|map\[.*\]\|\S*\|\n", conman.ok(
        "image", "inspect", "--format", "{{.Config.User}}|{{.Config.WorkingDir}}|{{.Config.Labels}}|{{.Config.StopSignal}}|{{.Variant}}", image))
    assert re.fullmatch(r"\d+ \d{4,}\n", conman.ok("inspect", "--size", "--format", "{{.SizeRw}} {{.SizeRootFs}}", "web"))
    assert set(json.loads(conman.ok("container", "inspect", "-s", "web"))[0]) >= {"SizeRw", "SizeRootFs"}
    conman.ok("volume", "create", "--label", "a=b", "kept")
    assert conman.ok("volume", "ls", "--format", '{{.Name}} {{.Label "a"}} {{.UID}}{{.Status}}{{.Labels}}') == "kept b 0map[]map[a:b]\n"
    assert conman.ok("inspect", "--type", "volume", "--format", "{{.Name}}|{{.Timeout}}|{{.Mountpoint}}", "kept").startswith("kept|0|/")
    assert "UID" not in json.loads(conman.ok("volume", "inspect", "--format", "{{json .}}", "kept"))
    conman.ok("volume", "rm", "kept")
    done = conman("inspect", "--type", "network", "nosuch")
    assert (done.returncode, done.stderr) == (125, "Error: inspecting object: no such network nosuch\n")


def _of_the_store(conman: Command, image: str) -> None:
    for verb, format, wanted in (
            ("images", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}} {{.CreatedSince}}", "[0-9a-f]{12} .*"),
            ("images", "table {{.ID}} {{.Containers}} {{.ReadOnly}}", "IMAGE ID +CONTAINERS +R/O\n[0-9a-f]{12}  2           false"),
            ("images", "{{.VirtualSize}} {{.Dangling}} {{.Labels}} {{.History}} {{.Digest}}", r"\d+ false map\[.*\] \S+ sha256:[0-9a-f]{64}"),
            ("info", "{{.Host.Arch}} {{.Store.GraphRoot}} {{.Host.MemTotal}}", rf"\S+ {re.escape(str(conman.root))} \d+"),
            ("info", "{{.ServerVersion}} {{.Driver}} {{.NCPU}} {{.ContainersRunning}}/{{.Containers}} {{.Images}} {{.Swarm.LocalNodeState}}",
             r"\S+ \S+ \d+ 1/2 1 inactive"),
            ("info", "{{.Host.CgroupsVersion}} {{.Host.NetworkBackend}} {{.Store.VolumePath}} {{.Version.APIVersion}} {{.Registries}}",
             r"\S+ \S+ \S+/volumes \S+ map\[\]"),
            ("info", "{{.Host.Uptime}}|{{.Host.EventLogger}}", r"\d+h \d+m \d+\.00s.*\|\S+"),
            ("version", "{{.Client.Version}} {{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}", r"(\S+) \1 linux/\S+")):
        shown = conman.ok(verb, "--format", format)
        assert re.fullmatch(wanted + "\n", shown), (format, shown)
    assert conman.ok("system", "df", "--format", "{{.Type}}: {{.TotalCount}}").startswith("Images: 1\nContainers: 2\n")
    assert conman.ok("history", "--format", "{{.ID}} {{.CreatedBy}}|{{.CreatedAt}}", image).count("|") > 0
    told = conman.ok("events", "--stream=false", "--since", "1h", "--until", "0s", "--filter", "event=create", "--filter", "label=app=web",
                     "--format", "{{.Action}} {{.Actor.Attributes.name}} {{.Type}} {{.From}} {{.Attributes.app}}")
    assert re.fullmatch(r"create web container \S+ web\n", told)
    assert conman.ok("ps", "-a", "--filter", "label!=app", "--format", "{{.Names}}") == "done\n"
