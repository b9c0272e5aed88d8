#!/usr/bin/env node
// Writes the ABIs that other languages build on to ../abi: `node tools/abi.mjs`.
// `--check` writes nothing and fails if a file there is missing, stale, or no longer wanted.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");

// Source and contract: interfaces where there is one, because they carry every event and error.
const WANTED = [
  ["src/interfaces/IZKPool.sol", "IZKPool"],
  ["src/interfaces/IRevenueLedger.sol", "IRevenueLedger"],
  ["src/interfaces/IProofVerifier.sol", "IProofVerifier"],
  ["src/interfaces/ICallEncoder.sol", "ICallEncoder"],
  ["src/interfaces/IRiscZeroVerifier.sol", "IRiscZeroVerifier"],
  ["src/verifiers/RiscZeroVerifierAdapter.sol", "RiscZeroVerifierAdapter"],
  ["src/verifiers/CommitteeVerifier.sol", "CommitteeVerifier"],
  ["src/verifiers/SgxVerifier.sol", "SgxVerifier"],
  ["src/verifiers/MultiProofVerifier.sol", "MultiProofVerifier"],
  ["src/verifiers/legs/Groth16Leg.sol", "Groth16Leg"],
  ["src/verifiers/legs/RiscZeroLeg.sol", "RiscZeroLeg"],
  ["src/verifiers/legs/SgxLeg.sol", "SgxLeg"],
  ["src/interfaces/ILegReceiver.sol", "ILegReceiver"],
  ["src/encoders/RiscZeroEncoder.sol", "RiscZeroEncoder"],
  ["src/periphery/Router.sol", "Router"],
  ["src/interfaces/IOperatorRegistry.sol", "IOperatorRegistry"],
  ["src/examples/DigitOracle.sol", "DigitOracle"],
  ["src/examples/Rollup.sol", "Rollup"],
  ["node_modules/@openzeppelin/contracts/token/ERC20/IERC20.sol", "IERC20"],
];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const abiDir = join(root, "..", "abi");
const check = process.argv.includes("--check");

/** The compiler is asked for ABIs alone, so that neither forge nor its output directory is needed. */
function compile() {
  const read = (path) => readFileSync(join(root, path), "utf8");
  const foundry = read("foundry.toml");
  const remappings = /^remappings = \[([^\]]*)\]/m.exec(foundry)[1].match(/"[^"]+"/g).map((quoted) => quoted.slice(1, -1));
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(WANTED.map(([source]) => [source, { content: read(source) }])),
    settings: { remappings, outputSelection: { "*": { "*": ["abi"] } } },
  };
  const load = (path) => {
    try {
      return { contents: read(path) };
    } catch (error) {
      return { error: error.message };
    }
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  return output.contracts;
}

/** Keys in a fixed order, so that the compiler's habits do not show. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One item a line: small, and a reviewer sees which one has changed. */
function format(abi) {
  const rank = (item) => `${item.type} ${item.name ?? ""} ${JSON.stringify(item.inputs ?? [])}`;
  const items = abi.map(sorted).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return `{"abi":[\n${items.map((item) => JSON.stringify(item)).join(",\n")}\n]}\n`;
}

const compiled = compile();
const wanted = new Map(WANTED.map(([source, contract]) => [`${contract}.json`, format(compiled[source][contract].abi)]));
mkdirSync(abiDir, { recursive: true });
const present = new Set(readdirSync(abiDir).filter((name) => name.endsWith(".json")));
const stale = [];
for (const [name, text] of wanted) {
  const path = join(abiDir, name);
  if (present.delete(name) && readFileSync(path, "utf8") === text) continue;
  stale.push(name);
  if (!check) writeFileSync(path, text);
}
for (const name of present) {
  stale.push(name);
  if (!check) rmSync(join(abiDir, name));
}
if (check && stale.length > 0) {
  console.error(`abi/ is stale (run node contracts/tools/abi.mjs): ${stale.join(", ")}`);
  process.exitCode = 1;
} else {
  console.log(stale.length > 0 ? `abi/: wrote ${stale.join(", ")}` : `abi/: ${wanted.size} files are up to date`);
}
