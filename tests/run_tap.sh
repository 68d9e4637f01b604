#!/bin/sh
# run_tap.sh OUT.tap COMMAND...: run a test script, keep its TAP in OUT.tap, show it, give its exit code.
out=$1
shift
mkdir -p "$(dirname "$out")"
"$@" >"$out" 2>&1
code=$?
cat "$out"
exit $code
