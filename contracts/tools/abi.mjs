#!/usr/bin/env node
// Writes the ABIs that other languages build on to ../abi, from what forge has built: `node tools/abi.mjs`.
// `--check` writes nothing and fails if a file there is missing, stale, or no longer wanted.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// File (below out/) and contract. Interfaces where there is one: they carry every event and error.
const WANTED = [
  ["IZKPool.sol", "IZKPool"],
  ["IProofVerifier.sol", "IProofVerifier"],
  ["ICallEncoder.sol", "ICallEncoder"],
  ["IERC20.sol", "IERC20"],
];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const abiDir = join(root, "..", "abi");
const check = process.argv.includes("--check");

/** Items one a line, keys in a fixed order, so that the compiler's habits do not show. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function signature(item) {
  const types = (item.inputs ?? []).map((input) => input.type + (input.components ? signature({ inputs: input.components }) : ""));
  return `${item.type ?? ""} ${item.name ?? ""}(${types.join(",")})`;
}

function slim(file, contract) {
  const path = join(root, "out", file, `${contract}.json`);
  if (!existsSync(path)) throw new Error(`${path} is missing: run tools/forge build`);
  const { abi } = JSON.parse(readFileSync(path, "utf8"));
  const items = abi.sort((a, b) => (signature(a) < signature(b) ? -1 : 1)).map((item) => JSON.stringify(sorted(item)));
  return `{"abi":[\n${items.join(",\n")}\n]}\n`;
}

const wanted = new Map(WANTED.map(([file, contract]) => [`${contract}.json`, slim(file, contract)]));
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
