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
# NAME can also have settings of the environment before the binary: "one thread=RAYON_NUM_THREADS=1 ./lanes". Each run makes and
# verifies one real proof (`zkpool prover bench`). Runs are interleaved, so that whatever else the machine does hits all;
# prints median CPU and wall time and their ratios to the first. Needs python3.
set -euo pipefail

python3 - "$@" <<'PYTHON'
import os, shlex, statistics, subprocess, sys, time

runs, ways = int(sys.argv[1]), [way.split("=", 1) for way in sys.argv[2:]]


def measure(words):
    words = shlex.split(words)
    settings = [word for word in words if "=" in word]
    command = [word for word in words if "=" not in word]
    environment = {**os.environ, **dict(setting.split("=", 1) for setting in settings)}
    start = time.monotonic()
    process = subprocess.Popen(
        command + ["prover", "bench", "--jobs", "1"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # The proof is made in a child of that process: its time counts when it has been waited for.
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(words)} failed")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start


results = {name: [] for name, _ in ways}
for _ in range(runs):
    for name, words in ways:
        results[name].append(measure(words))
cpu, wall = ({name: statistics.median(run[i] for run in rows) for name, rows in results.items()} for i in (0, 1))
first = ways[0][0]
print(f"{'':<16}{'CPU s':>9}{'ratio':>8}{'wall s':>9}{'ratio':>8}")
for name, _ in ways:
    print(f"{name:<16}{cpu[name]:>9.2f}{cpu[first] / cpu[name]:>8.2f}{wall[name]:>9.2f}{wall[first] / wall[name]:>8.2f}")
PYTHON
