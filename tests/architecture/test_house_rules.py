"""Sizes and habits: what a reader of any file may rely on."""

from __future__ import annotations

import ast

MOST_LINES = 400
MOST_FUNCTION_LINES = 60

SPAWNERS = {"run", "Popen", "call", "check_call", "check_output"}

# Files and functions that may be longer, each with the reason. Empty is the aim.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def calls(source, *names: str) -> list[str]:
    """Where a file calls one of ``names``, written as in ``os.system``; a bare method name is written ``.name``."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            text = ast.unparse(node.func)
            if text in names or any(n.startswith(".") and text.endswith(n) for n in names):
                found.append(f"{source.where}:{node.lineno} calls {text}")
    return found


def test_a_file_is_one_concern(product, test_sources):
    long = {s.where: len(s.path.read_text().splitlines()) for s in [*product, *test_sources]}
    over = {where: lines for where, lines in long.items() if lines > MOST_LINES and where not in LONG_FILES}
    assert over == {}
    assert {where for where in LONG_FILES if long.get(where, 0) <= MOST_LINES} == set(), "no longer exceptions"


def test_a_function_fits_a_screen(product):
    over = {}
    for source in product:
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES and f"{source.where}:{node.name}" not in LONG_FUNCTIONS:
                    over[f"{source.where}:{node.name}"] = lines
    assert over == {}


def test_no_drawer_for_everything(product):
    assert [s.where for s in product if s.path.stem in {"utils", "util", "helpers", "common", "misc"}] == []


def test_every_module_and_public_thing_says_what_it_is(kernel):
    silent = []
    for source in kernel:
        if source.tree.body and ast.get_docstring(source.tree) is None:
            silent.append(source.where)
        for node in source.tree.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            if public and ast.get_docstring(node) is None:
                silent.append(f"{source.where}:{node.lineno} {node.name}")
    assert silent == []


def test_no_failure_is_swallowed(product):
    found = []
    for source in product:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "everything" if node.type is None else ast.unparse(node.type)
            empty = all(isinstance(b, ast.Pass) for b in node.body)
            if caught == "everything" or (empty and any(broad in caught for broad in ("Exception", "BaseException"))):
                found.append(f"{source.where}:{node.lineno} swallows {caught}")
            elif empty:
                comment = source.path.read_text().splitlines()[node.lineno - 1:node.end_lineno]
                if not any("#" in line for line in comment):
                    found.append(f"{source.where}:{node.lineno} passes over {caught} without saying why")
    assert found == []


def test_nothing_goes_through_a_shell_or_a_blind_extraction(product, test_sources):
    forbidden = ("os.system", "os.popen", ".extractall", "subprocess.getoutput", "subprocess.getstatusoutput")
    found = [hit for s in [*product, *test_sources] for hit in calls(s, *forbidden)]
    for source in [*product, *test_sources]:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] not in SPAWNERS:
                continue
            if any(k.arg == "shell" for k in node.keywords):
                found.append(f"{source.where}:{node.lineno} asks for a shell")
    assert found == []


def test_the_library_changes_nothing_of_its_process(kernel, plugins):
    """No working directory, umask, signal handler or environment: those belong to the program around the library."""
    # An attach plugin is a person's side: it watches signals while it has their terminal, and gives them back.
    programs = ("conman_kernel.cli", "conman_kernel.worker", "conman_kernel.testing", "conman_kernel.support.joined.signals")
    library = [s for s in kernel if not s.module.startswith(programs)]
    library += [s for sources in plugins.values() for s in sources]
    forbidden = ("os.chdir", "os.fchdir", "os.umask", "signal.signal", "os.putenv", "os.unsetenv", "os.environ.update",
                 "os.environ.pop", "os.environ.setdefault", "os.fork", "print", "os.setns", "os.unshare", "os.chroot")
    assert [hit for s in library for hit in calls(s, *forbidden)] == []


def test_the_library_never_forks_python(product):
    found = [f"{s.where}:{i.line}" for s in product for i in s.imports if i.module.split(".")[0] == "multiprocessing"]
    assert found == []


def test_tests_do_not_sleep(test_sources):
    assert [hit for s in test_sources for hit in calls(s, "time.sleep", "sleep", "asyncio.sleep")] == []


def test_no_module_level_mutable_globals(product):
    found = []
    for source in product:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Global):
                found.append(f"{source.where}:{node.lineno} global {', '.join(node.names)}")
    assert found == []
