#!/usr/bin/env bash
# Set up, build, run all tests; the last line counts them.
# usage: ./check.sh [--install] [--quick]
#   --install  install missing packages by sudo (as root they are installed anyway)
#   --quick    one compiler, no sanitizers
# With CI_STRICT=1 a part or a test that cannot run here (no clang, no h5py) is a failure, not a SKIPPED line.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=scripts/setup.sh
. scripts/setup.sh

install=no
quick=no
while [ "$#" -gt 0 ]; do
    case $1 in
    --install) install=yes ;;
    --quick) quick=yes ;;
    -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
    *) echo "check.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
    esac
    shift
done

mapfile -t missing < <(winnow_packages; winnow_test_packages)
winnow_install "$install" "${missing[@]}"

log=build/check.log
mkdir -p build
: >"$log"
failed_steps=0

# step NAME COMMAND...: run quietly; on failure show the end of what it printed and go on to the next.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '%-52s' "$name"
    if "$@" >>"$log" 2>&1; then
        printf 'ok   (%d s)\n' "$((SECONDS - start))"
    else
        printf 'FAILED\n'
        tail -n 60 "$log"
        grep -hE -A8 "^not ok" build/*/tap/*.tap 2>/dev/null | head -n 60 || true
        failed_steps=$((failed_steps + 1))
    fi
}

skip() {
    printf '%-52sSKIPPED: %s\n' "$1" "$2"
    echo "ok - $1 # SKIP $2" >>build/steps.tap
    if [ "${CI_STRICT:-0}" = 1 ]; then
        failed_steps=$((failed_steps + 1))
    fi
}

rm -f build/steps.tap
build_and_test() {
    cmake --preset "$1" && cmake --build --preset "$1" && rm -rf "build/$1/tap" && mkdir -p "build/$1/tap" &&
        ctest --preset "$1" --output-on-failure
}
build_only() {
    cmake --preset "$1" && cmake --build --preset "$1"
}

step "build and test (gcc, warnings are errors)" build_and_test dev
if [ "$quick" = no ]; then
    step "build and test (address and undefined sanitizers)" build_and_test asan
    step "stages under the thread sanitizer" bash -c 'cmake --preset tsan && cmake --build --preset tsan'
    if command -v clang >/dev/null; then
        step "build (clang, warnings are errors)" build_only clang
    else
        skip "build (clang, warnings are errors)" "no clang here"
    fi
    step "install, then use it from another project" tests/install/check_install.sh
fi
if command -v shellcheck >/dev/null; then
    step "shell scripts (shellcheck)" shellcheck -x demo.sh check.sh scripts/*.sh tests/install/*.sh .ci/run
else
    skip "shell scripts (shellcheck)" "no shellcheck here"
fi

# Every test program and script writes TAP; count them and give the reasons of what was skipped.
cat build/*/tap/*.tap build/steps.tap 2>/dev/null >build/all.tap || true
passed=$(grep -cE '^ok' build/all.tap || true)
failed=$(grep -cE '^not ok' build/all.tap || true)
skipped=$(grep -cE '^ok.*# SKIP' build/all.tap || true)
passed=$((passed - skipped))
failed=$((failed + failed_steps))
if [ "${CI_STRICT:-0}" = 1 ]; then
    # Only what no set-up can bring may be missing: reference data outside a clone, and the real GPT-2.
    odd=$(cat build/*/tap/*.tap | grep -E '^ok.*# SKIP' | grep -vcE 'WINNOW_GPT2|the shared (goldens|data)|mounting needs root' || true)
    failed=$((failed + odd))
fi
if [ "$skipped" -gt 0 ]; then
    echo
    echo "Skipped, by reason:"
    sed -nE 's/^ok.*# SKIP ?(.*)$/\1/p' build/all.tap | sort | uniq -c | sort -rn
fi
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
