#!/usr/bin/env bash
# Installs what building and testing need beside Rust, and only what is missing:
# a C compiler with the headers of libc. The cryptography library is partly C, and the power-loss
# tests compile a library in C which they load before the server.
set -euo pipefail

packages=(gcc libc6-dev)

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

command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"

if can_compile; then
    exit 0
fi

command -v apt-get >/dev/null \
    || fail "no working C compiler, and no apt-get: install one (cc) with the headers of libc"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo: install ${packages[*]} first"
    as_root=(sudo)
fi
echo "install-test-tools: installing ${packages[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${packages[@]}"
can_compile || fail "${packages[*]} are installed, yet a shared library cannot be compiled"
