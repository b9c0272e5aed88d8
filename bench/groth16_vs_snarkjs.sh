#!/usr/bin/env bash
# Our Groth16 prover against the snarkjs CLI: the same key (Semaphore v4, depth 20, 6,431 constraints) and input, whole
# processes side by side. Loading the key and making the witness count on both sides; ours verifies its proof as well.
#
#   bench/groth16_vs_snarkjs.sh [RUNS]      (default 9)
#
# Runs are interleaved, so that whatever else the machine does hits both. Prints medians and their ratios: on a machine
# that is not idle only the ratios mean anything. Needs cargo, node, npm (`make setup`) and python3.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-9}
artifacts=contracts/node_modules/@zk-kit/semaphore-artifacts/semaphore-20
snarkjs=contracts/node_modules/.bin/snarkjs
[ -e "$artifacts.zkey" ] || { echo "$artifacts.zkey is missing: run \`make setup\` first" >&2; exit 1; }

# With the packages that `make demo` builds, so that cargo takes what it has built for them.
cargo build --release --quiet --no-default-features -p zkpool-cli -p zkpool-demo -p zkpool-backends --example prove
ours=${CARGO_TARGET_DIR:-target}/release/examples/prove

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/input.json" <<'JSON'
{"secret":"1234567890123456789012345678901234567890","merkleProofLength":"2","merkleProofIndex":"1",
 "merkleProofSiblings":["1","2","0","0","0","0","0","0","0","0","0","0","0","0","0","0","0","0","0","0"],
 "message":"77","scope":"88"}
JSON

python3 - "$runs" "$ours" "$snarkjs" "$artifacts" "$work" <<'PYTHON'
import json, os, statistics, subprocess, sys, time

runs, ours, snarkjs, artifacts, work = int(sys.argv[1]), *sys.argv[2:]
source = f"{work}/input.json"
commands = {
    "zkpool": [ours, f"{artifacts}.zkey", f"{artifacts}.wasm", source, f"{work}/a.proof", f"{work}/a.public"],
    "snarkjs": ["node", snarkjs, "groth16", "fullprove", source, f"{artifacts}.wasm", f"{artifacts}.zkey",
                f"{work}/b.proof", f"{work}/b.public"],
}


def measure(command):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    # Linux counts the peak in KiB, macOS in bytes.
    peak = usage.ru_maxrss / (1 if sys.platform == "darwin" else 1 / 1024)
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, peak / 2**20


results = {name: [] for name in commands}
for run in range(runs + 1):
    for name, command in commands.items():
        result = measure(command)
        if run > 0:  # the first warms the disk's cache
            results[name].append(result)

# Both proved the same, and snarkjs accepts what we made.
public = [json.load(open(f"{work}/{side}.public")) for side in "ab"]
if public[0] != public[1]:
    sys.exit("the public inputs differ")
verify = ["node", snarkjs, "groth16", "verify", f"{artifacts}.json", f"{work}/a.public", f"{work}/a.proof"]
if b"OK!" not in subprocess.run(verify, stdout=subprocess.PIPE).stdout:
    sys.exit("snarkjs does not accept our proof")

medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
print(f"{'median of ' + str(runs):<14}{'CPU s':>8}{'wall s':>8}{'peak MiB':>10}")
for name, row in medians.items():
    print(f"{name:<14}{row[0]:>8.3f}{row[1]:>8.3f}{row[2]:>10.1f}")
ratio = [theirs / mine for mine, theirs in zip(medians["zkpool"], medians["snarkjs"])]
print(f"{'ratio':<14}{ratio[0]:>8.1f}{ratio[1]:>8.1f}{ratio[2]:>10.1f}")
PYTHON
