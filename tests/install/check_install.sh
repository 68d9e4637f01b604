#!/usr/bin/env bash
# Install a release build into a temporary folder and use it from outside: the program, the library by pkg-config and
# by find_package, the man page. Writes TAP to build/release/tap/install.tap as well.
# shellcheck disable=SC2317  # the functions are called by name, through check
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p build/release/tap
tap=$root/build/release/tap/install.tap
: >"$tap"
number=0
failed=0

# check NAME COMMAND...: one TAP line.
check() {
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/out" 2>&1; then
        echo "ok $number - $name" | tee -a "$tap"
    else
        echo "not ok $number - $name" | tee -a "$tap"
        sed 's/^/# /' "$work/out"
        failed=1
    fi
}

prefix=$work/prefix
install_it() {
    cmake --preset release && cmake --build --preset release && cmake --install build/release --prefix "$prefix"
}
check "a release build installs" install_it

cat >"$work/use.c" <<'C'
#include <stdio.h>
#include <string.h>
#include <winnow/winnow.h>

int main(int argc, char **argv)
{
    winnow_handle *handle = NULL;
    winnow_error error = {0};
    if (strcmp(winnow_version(), "") == 0 || argc != 2) {
        return 1;
    }
    if (winnow_open("/nonexistent/model", NULL, &handle, &error) != WINNOW_MODEL || error.text[0] == '\0') {
        return 2;
    }
    if (winnow_open(argv[1], NULL, &handle, &error) != WINNOW_OK) {
        puts(error.text);
        return 3;
    }
    winnow_scores scores;
    winnow_side side;
    if (winnow_score_sample(handle, "a", NULL, NULL, &scores, &error) != WINNOW_USAGE ||
        winnow_score(handle, NULL, "a", &scores, &error) != WINNOW_USAGE ||
        winnow_score_text(NULL, "a", &side, &error) != WINNOW_USAGE) {
        return 6;
    }
    if (winnow_score_sample(handle, "Sort the numbers.", "3 1 2", "1 2 3", &scores, &error) != WINNOW_OK) {
        puts(error.text);
        return 4;
    }
    printf("%s: IFD %.6f\n", winnow_version(), winnow_ifd_ppl(&scores));
    winnow_close(handle);
    return scores.status == WINNOW_STATUS_OK ? 0 : 5;
}
C
model=$root/docs/demo/model
by_pkg_config() {
    export PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name winnow.pc)")
    # shellcheck disable=SC2046
    cc -Wall -Werror -o "$work/use" "$work/use.c" $(pkg-config --define-variable=prefix="$prefix" --cflags --libs winnow) &&
        LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libwinnow.so)") "$work/use" "$model"
}
check "a C program builds by pkg-config and scores" by_pkg_config

by_find_package() {
    cat >"$work/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.22)
project(use C)
find_package(winnow 0.1 REQUIRED)
add_executable(use use.c)
target_link_libraries(use PRIVATE winnow::winnow)
C
    cmake -G Ninja -S "$work" -B "$work/b" -DCMAKE_PREFIX_PATH="$prefix" && cmake --build "$work/b" && "$work/b/use" "$model"
}
check "a C program builds by find_package and scores" by_find_package

only_public_names() {
    ! nm -D --defined-only "$(find "$prefix" -name libwinnow.so)" | awk '{print $3}' | grep -v '^winnow_' | grep -v '^_'
}
check "the library exports only its public names" only_public_names

only_one_header() {
    [ "$(find "$prefix/include" -type f | wc -l)" = 1 ]
}
check "one header is installed" only_one_header

man_page() {
    test -s "$prefix/share/man/man1/winnow.1"
    if command -v man >/dev/null; then
        [ -z "$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$prefix/share/man/man1/winnow.1" 2>&1 >/dev/null)" ]
    fi
}
check "the man page is there and has no faults" man_page

runs_from_elsewhere() {
    cd / && "$prefix/bin/winnow" --version
}
check "the program runs from its place" runs_from_elsewhere
exit $failed
