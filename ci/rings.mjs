#!/usr/bin/env node
// The ring check: an arrow between this project's crates only ever points inwards (ARCHITECTURE.md).
// Reads `cargo metadata`, so it sees what cargo sees. Dev-dependencies may point anywhere.
import { execFileSync } from "node:child_process";

const rings = {
  "zkpool-protocol": 1,
  "zkpool-scheduler": 1,
  "zkpool-bindings": 2,
  "zkpool-chain": 2,
  "zkpool-store": 2,
  "zkpool-api": 2,
  "zkpool-verifiers": 2,
  "zkpool-backends": 2,
  "zkpool-enclave": 2,
  "zkpool-simulate": 2,
  "zkpool-sgx-sim": 2,
  "zkpool-service": 3,
  "zkpool-prover": 3,
  "zkpool-requester": 3,
  "zkpool-attester": 3,
  "zkpool-cli": 4,
  "zkpool-demo": 4,
  // Applications, as their owners would write them.
  "digit-core": 1,
  "zkpool-digits": 4,
  "zkpool-demo-zkml": 5,
  "rollup-core": 1,
  "zkpool-rollup": 4,
  "zkpool-rollup-circuit": 4,
  "zkpool-rollup-enclave": 4,
  "zkpool-rollup-simulated-enclave": 5,
  "zkpool-rollup-node": 5,
  "zkpool-demo-rollup": 6,
};
// Crates of ring 1 are pure: nothing that does I/O, keeps time or runs tasks. Names of direct dependencies.
const impure = ["tokio", "reqwest", "sqlx", "axum", "object_store", "futures", "async-trait", "rand", "tracing", "alloy"];
// Arrows within a ring or inwards that are forbidden all the same (invariants I-2 and the seams).
const forbidden = [
  ["zkpool-service", "zkpool-backends"],
  ["zkpool-verifiers", "zkpool-backends"],
  ["zkpool-prover", "zkpool-chain"],
  ["zkpool-prover", "zkpool-store"],
  ["zkpool-requester", "zkpool-store"],
  ["zkpool-attester", "zkpool-store"],
  ["zkpool-attester", "zkpool-backends"],
  ["zkpool-backends", "zkpool-enclave"],
  ["zkpool-verifiers", "zkpool-enclave"],
];
// What runs inside an enclave is measured: it takes nothing of this project. (The other way round applications may.)
const alone = ["zkpool-enclave"];
// What only pretends, and must not be in anything that is shipped. Names of those that may link it.
const pretends = { "zkpool-sgx-sim": ["zkpool-demo", "zkpool-rollup-simulated-enclave"] };

const metadata = JSON.parse(
  execFileSync("cargo", ["metadata", "--format-version", "1", "--no-deps"], { maxBuffer: 1 << 28 }),
);
const faults = [];
for (const crate of metadata.packages) {
  const ring = rings[crate.name];
  if (ring === undefined) faults.push(`${crate.name} has no ring: give it one in ci/rings.mjs`);
  for (const dep of crate.dependencies) {
    if (dep.kind === "dev") continue;
    if (ring === 1 && impure.includes(dep.name)) faults.push(`${crate.name} is pure, but depends on ${dep.name}`);
    if (!(dep.name in rings)) continue;
    if (alone.includes(crate.name)) faults.push(`${crate.name} is to stand alone, but depends on ${dep.name}`);
    if (dep.name in pretends && !pretends[dep.name].includes(crate.name)) {
      faults.push(`${crate.name} must not link ${dep.name}, which only pretends`);
    }
    const inwards = rings[dep.name] < ring || (rings[dep.name] === ring && ring < 3);
    if (!inwards) faults.push(`${crate.name} (ring ${ring}) depends on ${dep.name} (ring ${rings[dep.name]})`);
    if (forbidden.some(([a, b]) => a === crate.name && b === dep.name)) {
      faults.push(`${crate.name} must not depend on ${dep.name}`);
    }
  }
}
for (const fault of faults) console.error(`rings: ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`rings: ${metadata.packages.length} crates, every arrow points inwards`);
