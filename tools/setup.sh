#!/bin/sh
# Set up .venv: `tools/setup.sh node` to run DreamNet, `tools/setup.sh dev` to work on it.
# Safe to repeat: when the locks and pyproject.toml have not changed it ends at once.
set -eu

use=${1:-node}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
stamp=$venv/.stamp

say() { printf '%s\n' "setup: $*" >&2; }

die() {
    printf 'setup: %s\n  mend: %s\n' "$1" "$2" >&2
    exit 1
}

lock_of() {
    case $1 in
        node) printf '%s\n' "$root/requirements-node.lock" ;;
        dev) printf '%s\n' "$root/requirements.lock" ;;
        *) die "unknown use '$1'" "say 'tools/setup.sh node' or 'tools/setup.sh dev'" ;;
    esac
}

stamp_of() {
    lock=$(lock_of "$1")
    printf '%s %s %s\n' "$1" "$(cat "$lock" "$root/pyproject.toml" | cksum)" "$root"
}

# What serves development serves running, too: `make demo` after `make test` changes nothing.
is_fresh() {
    [ -r "$stamp" ] && [ -x "$python" ] || return 1
    found=$(cat "$stamp")
    [ "$found" = "$(stamp_of "$use")" ] || [ "$found" = "$(stamp_of dev)" ]
}

check_linux() {
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) ||
        die "this Linux has no GNU C library; the gateway (Envoy) has no build for it" \
            "use a distribution with glibc 2.31 or newer (Debian 11, Ubuntu 20.04, Fedora 32, ...)"
    minor=${libc##*.}
    [ "$minor" -ge 31 ] ||
        die "$libc is too old for the gateway (Envoy)" "use a system with glibc 2.31 or newer"
}

check_macos() {
    [ "$(uname -m)" = arm64 ] && [ "$(sw_vers -productVersion | cut -d. -f1)" -ge 15 ] ||
        die "the gateway (Envoy) needs macOS 15 or newer on Apple silicon" \
            "use such a machine, or Linux in a virtual machine"
}

check_platform() {
    case $(uname -s)/$(uname -m) in
        Linux/x86_64 | Linux/aarch64 | Linux/arm64) check_linux ;;
        Darwin/*) check_macos ;;
        *) die "$(uname -s) on $(uname -m) is not supported" \
            "use Linux on x86_64 or aarch64 (on Windows: WSL 2), or macOS 15 on Apple silicon" ;;
    esac
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

how_to_install() {
    if command -v apt-get >/dev/null 2>&1; then
        printf '%s' "apt-get install $1   (as root, or with sudo)"
    else
        printf '%s' "install $1 with your system's package manager"
    fi
}

# The first of $PYTHON, python3, python3.13, ... that is new enough and can make environments.
choose_python() {
    too_old='' bare=''
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if ! is_new_enough "$candidate"; then
            too_old="$too_old $candidate ($(version_of "$candidate" || echo 'does not run'))"
        elif ! has_venv "$candidate"; then
            bare=${bare:-$candidate}
        else
            command -v "$candidate"
            return
        fi
    done
    explain_no_python
}

explain_no_python() {
    if [ -n "$bare" ]; then
        die "$bare has no 'venv' module, which makes the environment" \
            "$(how_to_install python3-venv); for a Python beside the system's own: python$(version_of "$bare")-venv"
    fi
    if [ -n "$too_old" ]; then
        die "DreamNet needs Python 3.11 or newer; found only:$too_old" \
            "install a newer Python and name it: make demo PYTHON=/path/to/python3.11"
    fi
    die "there is no 'python3' on the PATH" "$(how_to_install 'python3 python3-venv')"
}

# A moved or half-made environment is made again; a good one is kept and brought up to date.
is_ours() { is_new_enough "$python" && grep -qF "$venv" "$venv/bin/activate" 2>/dev/null; }

make_environment() {
    is_ours && "$python" -m pip --version >/dev/null 2>&1 && return
    chosen=$(choose_python)
    say "making .venv with $chosen ($(version_of "$chosen"))"
    "$chosen" -m venv --clear "$venv"
}

# uv installs in seconds; it comes itself from the lock, by its hash, through pip.
install_uv() {
    awk '/^[^ #]/ { wanted = /^uv==/ } wanted' "$(lock_of "$use")" >"$venv/uv.lock"
    "$python" -m pip --disable-pip-version-check install --quiet --require-hashes \
        --only-binary :all: -r "$venv/uv.lock"
}

install_with_uv() {
    install_uv && "$venv/bin/uv" pip sync --quiet --python "$python" --compile-bytecode --require-hashes \
        --only-binary :all: "$(lock_of "$use")"
}

install_with_pip() {
    say "uv could not do it (see above); trying pip, which takes longer"
    "$python" -m pip --disable-pip-version-check install --quiet --require-hashes \
        --only-binary :all: -r "$(lock_of "$use")"
}

install_package() {
    "$python" -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation \
        --no-index --editable "$root"
}

install_all() {
    say "installing what '$use' needs, checked against $(basename "$(lock_of "$use")")"
    install_with_uv || install_with_pip ||
        die "the packages could not be installed (see above)" \
            "check the network; an index or certificate of your own goes into pip's settings (pip config)"
    install_package
}

lock_of "$use" >/dev/null
if ! is_fresh; then
    check_platform
    rm -f "$stamp"
    make_environment
    install_all
    stamp_of "$use" >"$stamp.new" && mv "$stamp.new" "$stamp"
    say "done: $venv"
fi
