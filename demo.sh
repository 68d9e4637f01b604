#!/usr/bin/env bash
# Set up, build, score the bundled corpus with the bundled model, select its best tenth and show it.
# usage: ./demo.sh [--install] [--keep FOLDER]
#   --install      install missing packages by sudo (as root they are installed anyway)
#   --keep FOLDER  where the results go (default: build/demo)
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=scripts/setup.sh
. scripts/setup.sh

install=no
out=build/demo
while [ "$#" -gt 0 ]; do
    case $1 in
    --install) install=yes ;;
    --keep) out=${2:?--keep needs a folder}; shift ;;
    -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
    *) echo "demo.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
    esac
    shift
done

mapfile -t missing < <(winnow_packages)
winnow_install "$install" "${missing[@]}"

echo "Building (build/release) ..."
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
winnow=build/release/winnow

show() { printf '\n$ %s\n' "$*"; "$@"; }

rm -rf "$out"
mkdir -p "$out"
show $winnow check --data docs/demo/corpus.json --model docs/demo/model
show $winnow score --data docs/demo/corpus.json --model docs/demo/model --out "$out/run"
show $winnow select "$out/run" --preset superfiltering --rate 10% -o "$out/best.json"
show $winnow select "$out/run" --number 3 --with-scores -o "$out/top3.json"
show $winnow explain "$out/run" --rank 0
show $winnow explain "$out/run" --rank -1

cat <<TXT

The scores of all records:   $out/run/scores.h5      (open with h5py, see docs/file-format.md)
The chosen tenth:            $out/best.json          (the corpus's own records, byte for byte)
Why each was chosen or not:  $out/best.manifest.json
TXT
