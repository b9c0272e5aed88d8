#!/usr/bin/env bash
# How fast the RISC Zero CPU prover's constraint polynomials are for how their C++ is compiled, and how long that takes. The
# same sources, the same results. A way is
#
#   plain     as RISC Zero brings it
#   inlined   with the compiler allowed to inline at any length
#   lanes     with our field arithmetic (the default build)
#   lanes-O…  the same, optimised less
#   native    with our field arithmetic, for this machine alone
#   clang…    the same by clang (CLANG, default clang++)
#
#   bench/risc0_build.sh [RUNS [WAY …]]      (default 9, and all that have a compiler here)
#
# Runs are interleaved, so that whatever else the machine does hits all. Prints for the circuit of segments and for that of
# lifts and joins the least and the median CPU time of a row, the ratio to the first way, and the CPU time of compiling it.
# Compiling takes up to nine CPU minutes for each way (kept in target/risc0-build). Needs cargo, a C++ compiler (CXX) and
# python3.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-9}
shift || true
clang=${CLANG:-clang++}
out=${CARGO_TARGET_DIR:-target}/risc0-build
metadata=$(cargo metadata --format-version 1 --locked)
sources() {
  python3 -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(os.path.dirname(next(p["manifest_path"] for p in packages if p["name"] == sys.argv[1])))' "$1" <<<"$metadata"
}
segment=$(sources risc0-circuit-rv32im-sys)/kernels/cxx
recursion=$(sources risc0-circuit-recursion-sys)/kernels/cxx
headers=$(sources risc0-sys)/cxx
export CPLUS_INCLUDE_PATH=$PWD/crates/backends/cxx

ours="-include zkpool_fpext.h"
anything="-finline-limit=100000 --param large-function-growth=100000 --param inline-unit-growth=100000
  --param max-inline-insns-auto=2000 --param large-function-insns=10000000"
declare -A flags=([plain]="-O3" [inlined]="-O3 $anything" [lanes]="-O3 $ours" [lanes-O1]="-O1 $ours" [lanes-O2]="-O2 $ours"
  [native]="-O3 $ours -march=native" [clang]="-O3 $ours" [clang-O1]="-O1 $ours" [clang-native]="-O3 $ours -march=native")
ways=("$@")
if [ ${#ways[@]} = 0 ]; then
  ways=(plain inlined lanes lanes-O1 lanes-O2 native)
  command -v "$clang" >/dev/null && ways+=(clang clang-O1 clang-native)
fi
TIMEFORMAT=%U

build() { # build WAY CIRCUIT SOURCE…
  local compiler=${CXX:-c++} place=$out/$1/$2 options="-fPIC -std=c++17 -w -I $headers ${flags[$1]}" part
  [[ $1 = clang* ]] && compiler=$clang
  local circuit=$2
  shift 2
  local made="$compiler $options $*"
  [ "$place/rows" -nt crates/backends/cxx/zkpool_fpext.h ] && [ "$place/rows" -nt bench/risc0_rows.cpp ] \
    && [ "$(cat "$place/made" 2>/dev/null)" = "$made" ] && return
  mkdir -p "$place"
  : >"$place/seconds"
  for source in "$@"; do
    # shellcheck disable=SC2086 # a compiler's words, and its options
    { time $compiler $options -c "$source" -o "$place/$(basename "$source" .cpp).o" 2>&3; } 3>&2 2>>"$place/seconds"
  done
  part=
  [ "$circuit" = recursion ] && part=-DRECURSION
  # shellcheck disable=SC2086
  $compiler $options $part bench/risc0_rows.cpp "$place"/*.o -o "$place/rows"
  echo "$made" >"$place/made"
}

for way in "${ways[@]}"; do
  build "$way" segment "$segment"/rust_poly_fp_*.cpp "$segment/eval_check.cpp"
  build "$way" recursion "$recursion/poly_fp.cpp"
done

python3 - "$runs" "$out" "${ways[@]}" <<'PYTHON'
import statistics, subprocess, sys

runs, out, ways = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
for circuit in ["segment", "recursion"]:
    times, digests = {way: [] for way in ways}, set()
    for _ in range(runs):
        for way in ways:
            command = [f"{out}/{way}/{circuit}/rows"]
            seconds, digest = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()
            times[way].append(float(seconds) / 4096 * 1e6)
            digests.add(digest)
    if len(digests) != 1:
        sys.exit("the results differ")
    print(f"{circuit + ', µs of a row':<26}{'least':>9}{'median':>9}{'ratio':>8}{'compiling':>12}")
    for way in ways:
        row = times[way]
        ratio = statistics.median(times[ways[0]]) / statistics.median(row)
        with open(f"{out}/{way}/{circuit}/seconds") as file:
            compiling = sum(float(line) for line in file)
        print(f"{way:<26}{min(row):>9.1f}{statistics.median(row):>9.1f}{ratio:>8.2f}{compiling:>10.0f} s")
PYTHON
