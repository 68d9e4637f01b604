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
mkdir -p build
if ! { cmake --preset release && cmake --build --preset release; } >build/demo.log 2>&1; then
    tail -n 40 build/demo.log >&2
    echo "demo.sh: the build failed (all of it: build/demo.log)" >&2
    exit 1
fi
winnow=build/release/winnow

show() { printf '\n$ %s\n' "$*"; "$@"; }

# brief INDEX: one record as the model saw it, and its score.
brief() {
    $winnow explain "$out/run" --index "$1" --quiet | sed -n '/^--- prompt/,/^--- lead/{/^--- lead/!p};/^ifd_ppl/p' | cut -c 1-160
    echo
}

rm -rf "$out"
mkdir -p "$out"
show $winnow check --data docs/demo/corpus.json --model docs/demo/model
show $winnow score --data docs/demo/corpus.json --model docs/demo/model --out "$out/run"
show $winnow select "$out/run" --preset superfiltering --rate 10% -o "$out/best.json"

# Without a preset nothing is filtered: the highest scores are answers that do not belong to their instructions.
$winnow select "$out/run" --number 3 -o "$out/worst.json" --quiet >/dev/null
printf '\nThe best three (highest IFD below 1: the instruction helps, but the answer is still hard to write)\n\n'
while read -r index; do brief "$index"; done < <(head -n 3 "$out/best.index.txt")
printf 'The worst three (highest IFD of all: the answer does not follow from the instruction)\n\n'
while read -r index; do brief "$index"; done <"$out/worst.index.txt"

cat <<TXT
The scores of all records:   $out/run/scores.h5       (open with h5py: docs/file-format.md)
The chosen tenth:            $out/best.json           (the corpus's own records, byte for byte)
Why each was taken or not:   $out/best.manifest.json
One record in full:          $winnow explain $out/run --index $(head -n 1 "$out/best.index.txt")
TXT
