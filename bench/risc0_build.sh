#!/usr/bin/env bash
# How much faster the RISC Zero CPU prover's constraint polynomial is for how its C++ is compiled: as RISC Zero brings it,
# with the compiler allowed to inline at any length, with our field arithmetic (the default build), and with that for
# this machine alone. The same sources, the same results; what differs is the time.
#
#   bench/risc0_build.sh [RUNS]      (default 9)
#
# Runs are interleaved, so that whatever else the machine does hits all. Prints the least and the median CPU time of a row
# and the ratio to the plain build. Compiling takes about two CPU minutes for each way (kept in target/risc0-build). Needs
# cargo, a C++ compiler (CXX) and python3.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-9}
out=${CARGO_TARGET_DIR:-target}/risc0-build
sources() {
  cargo metadata --format-version 1 --locked | python3 -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(os.path.dirname(next(p["manifest_path"] for p in packages if p["name"] == sys.argv[1])))' "$1"
}
kernels=$(sources risc0-circuit-rv32im-sys)/kernels/cxx
headers=$(sources risc0-sys)/cxx
export CPLUS_INCLUDE_PATH=$PWD/crates/backends/cxx

ours="-include zkpool_fpext.h"
anything="-finline-limit=100000 --param large-function-growth=100000 --param inline-unit-growth=100000
  --param max-inline-insns-auto=2000 --param large-function-insns=10000000"
ways=(plain inlined lanes native)
declare -A flags=([plain]="" [inlined]="$anything" [lanes]="$ours" [native]="$ours -march=native")

compile() { # compile WAY SOURCE FLAGS...
  local object=$out/$1/$(basename "$2" .cpp).o source=$2
  shift 2
  [ "$object" -nt "$source" ] && [ "$object" -nt crates/backends/cxx/zkpool_fpext.h ] && return
  "${CXX:-c++}" -O3 -fPIC -std=c++17 -w -I "$headers" "$@" -c "$source" -o "$object.part"
  mv "$object.part" "$object"
}

for way in "${ways[@]}"; do
  mkdir -p "$out/$way"
  for source in "$kernels"/rust_poly_fp_*.cpp "$kernels/eval_check.cpp"; do
    # shellcheck disable=SC2086 # flags are words
    compile "$way" "$source" ${flags[$way]}
  done
  "${CXX:-c++}" -O2 -std=c++17 bench/risc0_rows.cpp "$out/$way"/*.o -o "$out/$way/rows"
done

python3 - "$runs" "$out" "${ways[@]}" <<'PYTHON'
import statistics, subprocess, sys

runs, out, ways = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
times, digests = {way: [] for way in ways}, set()
for _ in range(runs):
    for way in ways:
        seconds, digest = subprocess.run([f"{out}/{way}/rows"], check=True, stdout=subprocess.PIPE).stdout.split()
        times[way].append(float(seconds) / 4096 * 1e6)
        digests.add(digest)
if len(digests) != 1:
    sys.exit("the results differ")
print(f"{'µs of a row':<12}{'least':>9}{'median':>9}{'ratio':>8}")
for way in ways:
    row = times[way]
    ratio = statistics.median(times["plain"]) / statistics.median(row)
    print(f"{way:<12}{min(row):>9.1f}{statistics.median(row):>9.1f}{ratio:>8.2f}")
PYTHON
