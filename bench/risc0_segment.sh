#!/usr/bin/env bash
# A whole segment's proof by builds of `zkpool` that differ in how the RISC Zero prover was compiled.
#
#   bench/risc0_segment.sh RUNS NAME=BINARY NAME=BINARY …      (the first is what the others are compared with)
#
# A binary for each way, say RISC Zero's C++ as it comes and with our field arithmetic (the default, .cargo/config.toml):
#
#   CXXFLAGS_x86_64_unknown_linux_gnu=" " cargo build --workspace --all-targets && cp target/debug/zkpool plain
#   cargo build --workspace --all-targets && cp target/debug/zkpool lanes
#   bench/risc0_segment.sh 5 plain=./plain lanes=./lanes
#
# NAME can also have settings of the environment before the binary: "jemalloc=LD_PRELOAD=libjemalloc.so.2 ./lanes". Each run makes and
# verifies one real proof, of the smallest segment (`zkpool prover bench`). Runs are interleaved, so that whatever else the
# machine does hits all; prints work units a second (median, least, most) and the medians' ratios to the first. Needs
# python3.
set -euo pipefail

python3 - "$@" <<'PYTHON'
import json, os, shlex, statistics, subprocess, sys

runs, ways = int(sys.argv[1]), [way.split("=", 1) for way in sys.argv[2:]]


def measure(words):
    words = shlex.split(words)
    settings = [word for word in words if "=" in word]
    command = [word for word in words if "=" not in word] + ["prover", "bench", "--jobs", "1", "--json"]
    environment = {**os.environ, **dict(setting.split("=", 1) for setting in settings)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed")
    return json.loads(done.stdout)["units_per_second"]["risc0-composite"]


results = {name: [] for name, _ in ways}
for _ in range(runs):
    for name, words in ways:
        results[name].append(measure(words))
medians = {name: statistics.median(rates) for name, rates in results.items()}
print(f"{'':<16}{'units/s':>9}{'least':>9}{'most':>9}{'ratio':>8}")
for name, rates in results.items():
    ratio = medians[name] / medians[ways[0][0]]
    print(f"{name:<16}{medians[name]:>9.0f}{min(rates):>9.0f}{max(rates):>9.0f}{ratio:>8.2f}")
PYTHON
