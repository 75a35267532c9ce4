#!/usr/bin/env bash
# Installs what building and testing need beside Rust, and only what is missing:
# - a C compiler with the headers of libc. The cryptography library is partly C, and the power-loss
#   tests compile a library in C which they load before the server.
# - schemathesis in an environment of its own in the target folder, and Python for it. It tests the
#   routes against their OpenAPI document; its versions stand in tests/openapi/requirements.txt.
# - s3s-fs, a bucket that checks signatures, in the target folder. Building it takes minutes, once.
# - clamav-daemon. Tests start daemons of their own with a signature of their own, and need neither
#   the one that the package may start nor the signatures that it may fetch.
set -euo pipefail

cd "$(dirname "$0")/.."
requirements=tests/openapi/requirements.txt
environment=${CARGO_TARGET_DIR:-target}/schemathesis
tools=${CARGO_TARGET_DIR:-target}/tools
# Later versions need a newer Rust than this project.
s3s_version=0.14.1

fail() {
    echo "install-test-tools: $*" >&2
    exit 1
}

# Compiles and links what the tests do: a shared library that looks up libc's own functions.
can_compile() {
    local folder status=0
    command -v cc >/dev/null || return 1
    folder=$(mktemp -d)
    printf '#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <unistd.h>\n%s\n' \
        'void *next(void) { return dlsym(RTLD_NEXT, "write"); }' >"$folder/try.c"
    cc -shared -fPIC -o "$folder/try.so" "$folder/try.c" -ldl 2>/dev/null || status=1
    rm -r "$folder"
    return "$status"
}

# Where the tests look for it: not everybody has the folders of daemons among those of programs.
has_scanner() {
    [ -x /usr/sbin/clamd ] || [ -x /usr/local/sbin/clamd ]
}

# The environment is there, and was made from the same list.
has_schemathesis() {
    [ -x "$environment/bin/schemathesis" ] && cmp -s "$requirements" "$environment/made-from.txt"
}

can_make_environments() {
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

install_packages() {
    command -v apt-get >/dev/null || fail "no apt-get: install what stands for $* here first"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "not root and no sudo: install $* first"
        as_root=(sudo)
    fi
    echo "install-test-tools: installing $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@"
}

command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"

if ! can_compile; then
    install_packages gcc libc6-dev
    can_compile || fail "gcc is installed, yet a shared library cannot be compiled"
fi

if ! has_scanner; then
    install_packages clamav-daemon
    has_scanner || fail "clamav-daemon is installed, yet there is no clamd"
fi

if ! has_schemathesis; then
    if ! can_make_environments; then
        install_packages python3 python3-venv
        can_make_environments || fail "python3 is older than 3.10, or cannot make environments"
    fi
    echo "install-test-tools: installing schemathesis into $environment"
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install -q --disable-pip-version-check -r "$requirements"
    # Last: an installation that broke off is made anew.
    cp "$requirements" "$environment/made-from.txt"
fi

if [ "$("$tools/bin/s3s-fs" --version 2>/dev/null)" != "s3s-fs $s3s_version" ]; then
    echo "install-test-tools: building s3s-fs into $tools"
    cargo install s3s-fs --version "$s3s_version" --features binary --locked --root "$tools" --quiet
fi
