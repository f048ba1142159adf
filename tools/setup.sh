#!/usr/bin/env bash
# Set up this machine and .venv. Usage: tools/setup.sh [dev]. Running it again is quick: only what is missing is done.
set -euo pipefail
cd "$(dirname "$0")/.."

stage=${1:-user}
venv=.venv

# command or file that proves it -> Debian package
product=(runc:runc crun:crun busybox:busybox-static /usr/bin/tini:tini mount:mount git:git
         /usr/lib/cni/bridge:containernetworking-plugins iptables-restore:iptables)
tests=(docker-registry:docker-registry skopeo:skopeo umoci:umoci podman:podman conmon:conmon debootstrap:debootstrap
       zstd:zstd setfattr:attr ip:iproute2 catatonit:catatonit mkfs.ext4:e2fsprogs debugfs:e2fsprogs
       mkfs.btrfs:btrfs-progs tar:tar)

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

usable_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if usable_python "$candidate"; then command -v "$candidate"; return; fi
        if [ -n "${PYTHON:-}" ]; then say "PYTHON=$PYTHON is not a Python of 3.11 or newer"; return 1; fi
    done
    say "no Python of 3.11 or newer found; install one and give it as PYTHON=/path/to/python3"
    return 1
}

missing_packages() {
    local entry proof
    for entry in "$@"; do
        proof=${entry%%:*}
        PATH="$PATH:/usr/sbin:/sbin" command -v "$proof" >/dev/null 2>&1 || printf '%s\n' "${entry#*:}"
    done
}

install_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    [ -x /usr/bin/python3 ] || [ -n "${PYTHON:-}" ] || missing+=(python3)
    if [ -z "${PYTHON:-}" ] && ! /usr/bin/python3 -c 'import ensurepip' >/dev/null 2>&1; then missing+=(python3-venv); fi
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        say "this machine has no apt-get; install these by its own means: ${missing[*]}"
        return 1
    fi
    say "installing ${missing[*]}"
    mkdir -p build
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "${missing[@]}" ca-certificates
    } >build/apt.log 2>&1 || { tail -n 20 build/apt.log >&2; say "apt-get failed; all it said is in build/apt.log"; return 1; }
}

make_venv() {
    local python=$1
    if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import sys' 2>/dev/null \
        && [ "$(cat "$venv/.made-from" 2>/dev/null)" = "$PWD $python $("$python" -V)" ]; then return; fi
    say "making $venv with $("$python" -V) ($python)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -q --upgrade pip
    # setuptools is no part of what a user needs, and its .pth file costs every start of Python some 20 ms.
    "$venv/bin/python" -m pip uninstall -q -y setuptools >/dev/null 2>&1 || true
    echo "$PWD $python $("$python" -V)" > "$venv/.made-from"
}

packages=("${product[@]}")
if [ "$stage" = dev ]; then packages+=("${tests[@]}"); fi
install_packages "${packages[@]}"
# An exported PIP_USER or PIP_TARGET would lead pip away from .venv; PYTHONPATH would shadow what is installed there.
unset PIP_USER PIP_TARGET PIP_PREFIX PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK=1
make_venv "$(find_python)"
"$venv/bin/python" tools/wheels.py install
if [ "$stage" = dev ]; then
    "$venv/bin/python" tools/wheels.py dev
    # Real Debian roots for the tests, made once and kept in the user's cache.
    for root in plain servers; do
        "$venv/bin/python" tools/debian_root.py --find $root >/dev/null 2>&1 || {
            say "making a small Debian root for the tests: $root"
            as_root "$venv/bin/python" tools/debian_root.py $root >build/debian_root.log 2>&1 ||
                { tail -n 20 build/debian_root.log >&2; say "debootstrap failed; all it said is in build/debian_root.log"; exit 1; }
        }
    done
fi
