"""Each layer calls only what stands below it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

# What a plugin may use of the kernel; its own tests may use conman_kernel.testing besides.
PUBLIC = ("conman_kernel.errors", "conman_kernel.cancel", "conman_kernel.record", "conman_kernel.slots", "conman_kernel.oci",
          "conman_kernel.support")

# Packages of the kernel from the ground up: each may import itself and what stands before it.
ORDER = (("_version", "record", "errors", "patterns", "times", "trace"), ("cancel",), ("processes",), ("oci",), ("slots",),
         ("support",), ("hooks", "hookspecs"), ("loop", "mounts"), ("config_schema", "trust", "config", "config_lines", "log"), ("store",),
         ("answers", "calls", "discovery", "guard", "plugins"), ("events",), ("worker",), ("networks",), ("volumes",))

# What stands on all of that, each with a rule of its own below.
ABOVE = ("images", "containers", "system", "doctor", "explain", "scaffold", "kernel", "info", "cleanup", "aio", "cli", "testing")


def under(module: str, *packages: str) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def broken(sources, forbidden) -> list[str]:
    return [f"{s.where}:{i.line} imports {i.module}" for s in sources for i in s.imports if forbidden(s, i.module)]


@pytest.fixture(scope="session")
def plugin_packages(plugins) -> tuple[str, ...]:
    return tuple("conman_" + name.replace("-", "_") for name in plugins)


def test_plugins_are_named_alike_everywhere(plugins):
    assert plugins, "no plugins found: this test looks in the wrong place"
    for name, sources in plugins.items():
        package = "conman_" + name.replace("-", "_")
        assert {s.module.split(".")[0] for s in sources} == {package}
        text = (TOP / "plugins" / name / "pyproject.toml").read_text()
        assert f'name = "conman-{name}"' in text
        assert f"{name} =" in text or f'"{name}" =' in text, "an entry point of the plugin's own name"


def test_kernel_imports_no_plugin_and_no_shim(kernel, plugin_packages):
    assert broken(kernel, lambda s, m: under(m, "conman_shim", *plugin_packages)) == []


def test_plugins_import_only_the_public_kernel(plugins, plugin_packages):
    def forbidden(source, module):
        own = source.module.split(".")[0]
        if under(module, "conman_shim") or under(module, *(p for p in plugin_packages if p != own)):
            return True
        if not under(module, "conman_kernel"):
            return False
        name = module.removeprefix("conman_kernel").lstrip(".")
        # `from conman_kernel import X` is the public API; a name with a submodule behind it must be a public one.
        internal = name and ((TOP / "conman_kernel" / name.split(".")[0]).exists()
                             or (TOP / "conman_kernel" / (name.split(".")[0] + ".py")).exists())
        return bool(internal) and not under(module, *PUBLIC)

    assert broken([s for sources in plugins.values() for s in sources], forbidden) == []


def test_plugins_write_the_version_they_were_written_for(plugins):
    """A plugin that passed on the kernel's own number would pass its check with every kernel."""
    every = [s for sources in plugins.values() for s in sources]
    passed_on = [f"{s.where}:{node.lineno}" for s in every for node in ast.walk(s.tree)
                 if isinstance(node, ast.ImportFrom) and any(alias.name == "API" for alias in node.names)]
    written = [node for s in every for node in ast.walk(s.tree)
               if isinstance(node, ast.keyword) and node.arg == "api" and isinstance(node.value, ast.Constant)]
    assert passed_on == [] and len(written) >= len(plugins)


def test_shim_is_standard_library_only(shim):
    assert shim
    allowed = {*sys.stdlib_module_names, "conman_shim"}
    assert broken(shim, lambda s, m: m.split(".")[0] not in allowed) == []


def test_images_and_containers_never_meet(kernel):
    def forbidden(source, module):
        return ((under(source.module, "conman_kernel.images") and under(module, "conman_kernel.containers"))
                or (under(source.module, "conman_kernel.containers") and under(module, "conman_kernel.images")))

    assert broken(kernel, forbidden) == []


def test_system_is_above_images_and_containers(kernel):
    above = ("conman_kernel.cli", "conman_kernel.testing", "conman_kernel.kernel", "conman_kernel.system", "conman_kernel.doctor",
             "conman_kernel.explain")
    outside = [s for s in kernel if s.module != "conman_kernel" and not under(s.module, *above)]
    assert outside
    assert broken(outside, lambda s, m: under(m, "conman_kernel.system")) == []


def test_only_the_composition_root_joins_images_and_containers(kernel):
    joining = {s.module for s in kernel
               if any(under(i.module, "conman_kernel.images") for i in s.imports)
               and any(under(i.module, "conman_kernel.containers") for i in s.imports)}
    allowed = {"conman_kernel", "conman_kernel.kernel", "conman_kernel.cleanup"}
    assert {m for m in joining if not under(m, "conman_kernel.cli", "conman_kernel.testing", "conman_kernel.system",
                                                  "conman_kernel.doctor", "conman_kernel.explain")} <= allowed


@pytest.mark.parametrize("layer", ORDER, ids="-".join)
def test_low_layers_import_nothing_above_them(kernel, layer):
    below = {f"conman_kernel.{name}" for names in ORDER[:ORDER.index(layer) + 1] for name in names}
    sources = [s for s in kernel if under(s.module, *(f"conman_kernel.{name}" for name in layer))]
    assert sources, f"there is no {layer}: mend ORDER"
    assert broken(sources, lambda s, m: under(m, "conman_kernel") and m != "conman_kernel" and not under(m, *below)
                  and not _is_name_of(m, below)) == []


def test_every_part_of_the_kernel_has_its_place(kernel):
    parts = {s.module.split(".")[1] for s in kernel if "." in s.module}
    assert parts == {*ABOVE, *(name for names in ORDER for name in names)}


def _is_name_of(module: str, below: set[str]) -> bool:
    return module.rpartition(".")[0] in below


def test_cli_is_above_everything(kernel):
    above = ("conman_kernel.cli", "conman_kernel.testing")
    outside = [s for s in kernel if not under(s.module, *above)]
    assert broken(outside, lambda s, m: under(m, *above)) == []


def test_the_persons_side_is_for_plugins(kernel):
    """It changes signal handlers and terminals, which the kernel never does: only attach plugins load that."""
    joined = "conman_kernel.support.joined"
    changing = tuple(f"{joined}.{name}" for name in ("loop", "signals", "terminal"))
    assert {s.module for s in kernel} >= {*changing}
    assert broken([s for s in kernel if not under(s.module, joined)], lambda s, m: under(m, *changing)) == []


def test_oci_does_no_input_or_output(kernel):
    io = ("io", "socket", "subprocess", "pathlib", "shutil", "tempfile", "sqlite3", "requests", "urllib", "http")
    pure = [s for s in kernel if under(s.module, "conman_kernel.oci")]
    assert pure
    assert broken(pure, lambda s, m: under(m, *io)) == []
    nodes = [n for s in pure for n in ast.walk(s.tree)]
    asked = {ast.unparse(n) for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "os"}
    asked |= {n.id for n in nodes if isinstance(n, ast.Name) and n.id == "open"}
    assert asked <= {"os.uname"}, "the machine's own architecture is the one thing oci may ask"


def test_pluggy_click_and_requests_have_their_places(kernel, plugins):
    places = {
        "pluggy": ("conman_kernel.plugins", "conman_kernel.hookspecs", "conman_kernel.testing"),
        "click": ("conman_kernel.cli",),
        "requests": (),
    }
    for library, allowed in places.items():
        assert broken(kernel, lambda s, m, a=allowed, n=library: under(m, n) and not under(s.module, *a)) == [], library
    for library in ("pluggy", "click"):
        everything = [s for sources in plugins.values() for s in sources if (library, s.module) != ("click", "conman_cdi_devices.command")]
        assert broken(everything, lambda s, m, n=library: under(m, n)) == [], library
    imported = {name: {i.module for s in sources for i in s.imports} for name, sources in plugins.items()}
    users = {name for name, modules in imported.items() if any(under(m, "requests") for m in modules)}
    assert users <= {"registry-pull"}


def test_a_broken_layer_would_be_seen(kernel):
    """The rules above can fail: the parser sees relative, lazy and `from x import y` imports alike."""
    kernel_imports = {i.module for s in kernel for i in s.imports}
    assert "conman_kernel.errors" in kernel_imports
    assert any(not i.eager for s in kernel for i in s.imports)
