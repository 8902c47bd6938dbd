# shellcheck shell=bash
# Words that scripts/test, scripts/demo, scripts/bench and scripts/lint share. Sourced, never run.

weir_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# Debian's interpreter: the drivers the tests use are Debian packages, a python from elsewhere has none.
# shellcheck disable=SC2034  # read by the scripts that source this file
weir_python=/usr/bin/python3

say() {
    printf '\n== %s\n' "$*"
}

# Configures and builds one preset: build_preset PRESET [ninja target]...
build_preset() {
    local preset=$1
    shift
    say "building preset $preset"
    (
        cd "$weir_root" || exit 1
        cmake --preset "$preset" >"$(build_log "$preset")" 2>&1 || {
            cat "$(build_log "$preset")" >&2
            exit 1
        }
        local targets=()
        [ "$#" -eq 0 ] || targets=(--target "$@")
        cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}" </dev/null
    )
}

# Where the output of configuring goes: shown only when it failed.
build_log() {
    mkdir -p "$weir_root/build"
    printf '%s/build/configure-%s.log\n' "$weir_root" "$1"
}
