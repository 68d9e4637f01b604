# shellcheck shell=bash
# Set-up shared by demo.sh and check.sh: what must be installed, and how it gets there. Sourced, not run.

# Debian 12 packages that a build needs, and how each is recognised when it came from elsewhere.
winnow_packages() {
    local package probe
    while read -r package probe; do
        if ! eval "$probe" >/dev/null 2>&1; then
            echo "$package"
        fi
    done <<'LIST'
gcc command -v gcc
libc6-dev test -e /usr/include/stdio.h
cmake command -v cmake
ninja-build command -v ninja
pkg-config command -v pkg-config
libhdf5-dev pkg-config --exists hdf5-serial || pkg-config --exists hdf5
libcjson-dev pkg-config --exists libcjson
libpcre2-dev pkg-config --exists libpcre2-8
libutf8proc-dev pkg-config --exists libutf8proc
zlib1g-dev test -e /usr/include/zlib.h
libzstd-dev pkg-config --exists libzstd
libxxhash-dev pkg-config --exists libxxhash
libdnnl-dev test -e /usr/include/oneapi/dnnl/dnnl.h
LIST
}

# The tests need these besides.
winnow_test_packages() {
    local package probe
    while read -r package probe; do
        if ! eval "$probe" >/dev/null 2>&1; then
            echo "$package"
        fi
    done <<'LIST'
libcriterion-dev pkg-config --exists criterion
python3 test -x /usr/bin/python3
python3-h5py /usr/bin/python3 -c 'import h5py'
python3-numpy /usr/bin/python3 -c 'import numpy'
python3-pandas /usr/bin/python3 -c 'import pandas'
zstd command -v zstd
LIST
}

# winnow_install MAY_SUDO PACKAGE...: install as root, or by sudo where that was asked for; else say the one line that
# does it and stop with 2.
winnow_install() {
    local may_sudo=$1 as_root=()
    shift
    if [ "$#" -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if [ "$may_sudo" != yes ]; then
            echo "Missing packages. Install them with" >&2
            echo "    sudo apt-get install --no-install-recommends $*" >&2
            echo "and run this again, or run it with --install to have that done by sudo." >&2
            exit 2
        fi
        as_root=(sudo)
    fi
    if ! command -v apt-get >/dev/null; then
        echo "Missing: $* (Debian names; there is no apt-get here to install them with)" >&2
        exit 2
    fi
    echo "Installing: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
