#!/usr/bin/env bash
# Installs what building and testing need beside Rust, and only what is missing:
# - a C compiler with the headers of libc. The cryptography library is partly C, and the power-loss
#   tests compile a library in C which they load before the server.
# - schemathesis in an environment of its own in the target folder, and Python for it. It tests the
#   routes against their OpenAPI document; its versions stand in tests/openapi/requirements.txt.
# - s3s-fs, a bucket that checks signatures, in the target folder. Building it takes minutes, once.
# - clamav-daemon. Tests start daemons of their own with a signature of their own, and need neither
#   the one that the package may start nor the signatures that it may fetch.
# - clients for uploads over tus, in tus-clients in the target folder, and Node and Python for them.
#   Their versions stand in tests/tus_clients, in node/package-lock.json and
#   python/requirements.txt. The tests of the demo page run in the same Node.
set -euo pipefail

cd "$(dirname "$0")/.."
requirements=tests/openapi/requirements.txt
environment=${CARGO_TARGET_DIR:-target}/schemathesis
tools=${CARGO_TARGET_DIR:-target}/tools
# Later versions need a newer Rust than this project.
s3s_version=0.14.1
tus_clients=${CARGO_TARGET_DIR:-target}/tus-clients

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

# An environment for Python is there, made from the same list and in this place: its programs name
# the place, and start from no other.
has_environment() {
    cmp -s "$2" "$1/made-from.txt" && "$1/bin/pip" --version >/dev/null 2>&1
}

# Makes an environment for Python from a list of packages.
make_environment() {
    if ! can_make_environments; then
        install_packages python3 python3-venv
        can_make_environments || fail "python3 is older than 3.10, or cannot make environments"
    fi
    rm -rf "$1"
    python3 -m venv "$1"
    "$1/bin/pip" install -q --disable-pip-version-check -r "$2"
    # Last: an installation that broke off is made anew.
    cp "$2" "$1/made-from.txt"
}

can_make_environments() {
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# Uppy imports JSON as modules do since then.
can_run_node() {
    command -v npm >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 18 || (major === 18 && minor >= 20) ? 0 : 1)' 2>/dev/null
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

if ! has_environment "$environment" "$requirements"; then
    echo "install-test-tools: installing schemathesis into $environment"
    make_environment "$environment" "$requirements"
fi

if ! has_environment "$tus_clients/python" tests/tus_clients/python/requirements.txt; then
    echo "install-test-tools: installing tus clients into $tus_clients/python"
    mkdir -p "$tus_clients"
    make_environment "$tus_clients/python" tests/tus_clients/python/requirements.txt
fi

if ! can_run_node; then
    install_packages nodejs npm
    can_run_node || fail "node is older than 18.20, or npm is missing"
fi

if ! cmp -s tests/tus_clients/node/package-lock.json "$tus_clients/node/made-from.json"; then
    echo "install-test-tools: installing tus clients into $tus_clients/node"
    rm -rf "$tus_clients/node"
    mkdir -p "$tus_clients/node"
    cp tests/tus_clients/node/{package.json,package-lock.json,.npmrc} "$tus_clients/node/"
    (cd "$tus_clients/node" && npm ci --no-audit --no-fund --loglevel=error)
    cp tests/tus_clients/node/package-lock.json "$tus_clients/node/made-from.json"
fi

if [ "$("$tools/bin/s3s-fs" --version 2>/dev/null)" != "s3s-fs $s3s_version" ]; then
    echo "install-test-tools: building s3s-fs into $tools"
    cargo install s3s-fs --version "$s3s_version" --features binary --locked --root "$tools" --quiet
fi
