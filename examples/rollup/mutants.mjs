// Breaks the rollup on purpose, one check at a time, and demands that a named test notices.
//
//   node examples/rollup/mutants.mjs                    every mutant
//   node examples/rollup/mutants.mjs --only circuit-s   only mutants whose id starts with this (may be repeated)
//
// Mutants stand in mutants.json: { id, leg, check, file, find, replace, test, nth? }. `find` occurs once in the file, or the
// `nth` of its occurrences is meant. A mutant of the core breaks the zkVM guest and the SGX program, which run it; its test
// is "<target>:<function>" of rollup-core (`lib`) or zkpool-rollup (a file in tests/). One of the circuit breaks the circuit; its
// test is a function of zkpool-rollup-circuit.
//
// A mutant that survives, does not apply or does not compile, or whose test does not pass without it, fails the run.
// Everything happens in copies; the tree is never touched. Needs what `make setup` installs.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../..");
const TARGET = path.join(ROOT, "target/rollup-mutants");

function main() {
  const only = [];
  const args = process.argv.slice(2);
  while (args.length > 0) {
    if (args.shift() !== "--only" || args.length === 0) fail(["usage: mutants.mjs [--only <id prefix>]..."]);
    only.push(args.shift());
  }
  const all = JSON.parse(fs.readFileSync(path.join(HERE, "mutants.json"), "utf8"));
  const mutants = all.filter(({ id }) => only.length === 0 || only.some((prefix) => id.startsWith(prefix)));
  console.log(`${mutants.length} of ${all.length} mutants to try`);
  const place = fs.mkdtempSync(path.join(os.tmpdir(), "rollup-mutants-"));
  const failures = [];
  try {
    for (const [leg, run] of [["core", coreRunner], ["circuit", circuitRunner]]) {
      const ours = mutants.filter((mutant) => mutant.leg === leg);
      if (ours.length > 0) failures.push(...tryAll(ours, run(path.join(place, leg))));
    }
  } finally {
    fs.rmSync(place, { recursive: true, force: true });
  }
  if (failures.length > 0) fail(failures);
  console.log(`all ${mutants.length} mutants killed`);
}

function fail(lines) {
  for (const line of lines) console.error(line);
  process.exit(1);
}

// `run.sources` is a copy of examples/rollup; `run.test(name)` yields "passed", "failed", or why the test could not be run.
function tryAll(mutants, run) {
  const failures = [];
  for (const test of new Set(mutants.map((mutant) => mutant.test))) {
    const outcome = run.test(test);
    if (outcome !== "passed") failures.push(`${test} without any mutant: ${outcome}`);
  }
  if (failures.length > 0) return failures;
  for (const mutant of mutants) {
    const file = path.join(run.sources, mutant.file);
    const text = fs.readFileSync(file, "utf8");
    const mutated = apply(text, mutant);
    let outcome = "does not apply";
    if (mutated !== null) {
      fs.writeFileSync(file, mutated);
      outcome = run.test(mutant.test);
      fs.writeFileSync(file, text);
    }
    const killed = outcome === "failed";
    console.log(`${killed ? "killed" : "NOT KILLED"}  ${mutant.id}  (${mutant.check})`);
    if (!killed) failures.push(`${mutant.id}: ${outcome === "passed" ? `survives ${mutant.test}` : outcome}`);
  }
  return failures;
}

function apply(text, { find, replace, nth }) {
  const places = [];
  for (let at = text.indexOf(find); at >= 0; at = text.indexOf(find, at + 1)) places.push(at);
  if (nth === undefined ? places.length !== 1 : places.length < nth) return null;
  const at = places[(nth ?? 1) - 1];
  return text.slice(0, at) + replace + text.slice(at + find.length);
}

// A workspace of the core and the sequencer alone.
function coreRunner(place) {
  const sources = path.join(place, "examples/rollup");
  for (const part of ["core", "app"]) fs.cpSync(path.join(HERE, part), path.join(sources, part), { recursive: true });
  const manifest = fs.readFileSync(path.join(ROOT, "Cargo.toml"), "utf8");
  const members = /^members = \[[^\]]*\]/m;
  fs.writeFileSync(
    path.join(place, "Cargo.toml"),
    manifest.replace(members, 'members = ["examples/rollup/core", "examples/rollup/app"]'),
  );
  fs.copyFileSync(path.join(ROOT, "Cargo.lock"), path.join(place, "Cargo.lock"));
  const cargo = (args) =>
    spawnSync("cargo", args, {
      cwd: place,
      env: { ...process.env, CARGO_TARGET_DIR: TARGET },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
  const test = (name) => {
    const at = name.indexOf(":");
    const [target, test] = [name.slice(0, at), name.slice(at + 1)];
    const which = target === "lib" ? ["-p", "rollup-core", "--lib"] : ["-p", "zkpool-rollup", "--test", target];
    const built = cargo(["test", "--quiet", "--no-run", ...which]);
    if (built.status !== 0) return `does not compile:\n${built.stderr}`;
    return outcome(cargo(["test", "--quiet", ...which, "--", "--exact", test]));
  };
  return { sources, test };
}

// The circuit's tests are built once: they are told where the sources are. Optimised as a whole, because the interpreter that
// runs witness generators is many times slower without.
function circuitRunner(place) {
  const sources = place;
  fs.mkdirSync(path.join(place, "circuit"), { recursive: true });
  for (const name of fs.readdirSync(path.join(HERE, "circuit")).filter((name) => name.endsWith(".circom"))) {
    fs.copyFileSync(path.join(HERE, "circuit", name), path.join(place, "circuit", name));
  }
  const messages = execFileSync(
    "cargo",
    ["test", "--release", "--no-run", "--quiet", "-p", "zkpool-rollup-circuit", "--test", "circuit", "--message-format", "json"],
    { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] },
  );
  const binary = messages
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))
    .find((message) => message.executable && message.target.name === "circuit").executable;
  const test = (name) => {
    const ran = spawnSync(binary, ["--exact", name, "--include-ignored"], {
      cwd: path.join(HERE, "circuit"),
      env: { ...process.env, ROLLUP_CIRCUIT_SOURCES: path.join(place, "circuit") },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    if (`${ran.stdout}${ran.stderr}`.includes("circom does not compile")) return `does not compile:\n${ran.stderr}`;
    return outcome(ran);
  };
  return { sources, test };
}

function outcome(ran) {
  const ranOne = / (\d+) passed; (\d+) failed/.exec(ran.stdout);
  if (ranOne === null || Number(ranOne[1]) + Number(ranOne[2]) !== 1) return `does not run:\n${ran.stdout}${ran.stderr}`;
  return ran.status === 0 ? "passed" : "failed";
}

main();
