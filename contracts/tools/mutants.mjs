// Breaks the contracts on purpose and demands that a named test notices.
//
//   node contracts/tools/mutants.mjs                  every mutant
//   node contracts/tools/mutants.mjs --changed <base> only mutants whose source, test or own text differs from git <base>
//   node contracts/tools/mutants.mjs --only Q-3       only mutants whose id starts with this (may be repeated)
//   node contracts/tools/mutants.mjs --trace          runs nothing: every requirement has a test and a mutant that exist
//   --jobs <n>                                        workers (default: one for each core)
//
// Mutants stand in `contracts/mutants/*.json`, each file an array of
//   { "id": "Q-3.1",              unique; by habit the requirement and a number
//     "requirement": "Q-3",       a row of SPEC*.md
//     "file": "src/ZKPool.sol",   relative to contracts/
//     "find": "a < b",            must occur exactly once; any run of white space matches any other
//     "replace": "a <= b",
//     "test": "Publish.t.sol:test_RevertWhen_Expired" }   the file's name and the function that must fail
// `find` that occurs more than once needs `"nth": 1` (first) and so on. A mutant that needs several edits has, in place of
// the three fields, `"edits": [{ "file", "find", "replace", "nth"? }]`.
//
// Requirements stand in SPEC*.md as table rows: | Q-3 | sentence | `File.t.sol:test_A`, `File.t.sol:test_B` | `Q-3.1` |
// A mutant's test must be one of its requirement's tests.
//
// A mutant that survives, does not apply, does not compile, or whose test does not pass without it fails the run.
// Everything happens in a copy; the tree is never touched.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

async function main() {
  const options = parseArguments(process.argv.slice(2));
  const { requirements, mutants, problems } = load();
  if (problems.length > 0) fail(problems);
  if (options.trace) {
    console.log(`trace: ${requirements.size} requirements, ${mutants.length} mutants, each with an existing test`);
    return;
  }
  const selected = select(mutants, options);
  console.log(`${selected.length} of ${mutants.length} mutants to try`);
  if (selected.length === 0) return;
  const failures = await run(selected, options.jobs);
  if (failures.length > 0) fail(failures);
  console.log(`all ${selected.length} mutants killed`);
}

function parseArguments(args) {
  const options = { trace: false, changed: null, only: [], jobs: os.availableParallelism() };
  while (args.length > 0) {
    const arg = args.shift();
    if (arg === "--trace") options.trace = true;
    else if (arg === "--changed" && args.length > 0) options.changed = args.shift();
    else if (arg === "--only" && args.length > 0) options.only.push(args.shift());
    else if (arg === "--jobs" && Number.isInteger(+args[0]) && +args[0] > 0) options.jobs = +args.shift();
    else fail([`usage: mutants.mjs [--trace] [--changed <git base>] [--only <id prefix>]... [--jobs <n>]`]);
  }
  return options;
}

function fail(lines) {
  for (const line of lines) console.error(line);
  process.exit(1);
}

// ---- requirements, tests, mutants and the thread between them ----

function load() {
  const problems = [];
  const tests = indexTests();
  const requirements = new Map();
  for (const name of fs.readdirSync(ROOT).filter((n) => /^SPEC.*\.md$/.test(n)).sort()) {
    for (const row of readRequirements(name)) {
      if (requirements.has(row.id)) problems.push(`${name}: ${row.id} stands twice`);
      requirements.set(row.id, row);
    }
  }

  const mutants = [];
  const byId = new Map();
  const dir = path.join(ROOT, "mutants");
  for (const name of fs.readdirSync(dir).filter((n) => n.endsWith(".json")).sort()) {
    for (const raw of JSON.parse(fs.readFileSync(path.join(dir, name), "utf8"))) {
      const mutant = { ...raw, source: `mutants/${name}`, edits: raw.edits ?? [raw] };
      if (byId.has(mutant.id)) problems.push(`${name}: mutant ${mutant.id} stands twice`);
      byId.set(mutant.id, mutant);
      mutants.push(mutant);
    }
  }

  for (const row of requirements.values()) {
    const at = `${row.source}: ${row.id}`;
    if (row.tests.length === 0) problems.push(`${at} names no test`);
    for (const test of row.tests) if (!tests.has(test)) problems.push(`${at} names ${test}, which does not exist`);
    if (row.mutants.length === 0) problems.push(`${at} names no mutant`);
    for (const id of row.mutants) {
      if (byId.get(id)?.requirement !== row.id) problems.push(`${at} names ${id}, which is no mutant of it`);
    }
  }
  for (const mutant of mutants) {
    const at = `${mutant.source}: ${mutant.id}`;
    const row = requirements.get(mutant.requirement);
    if (!row) problems.push(`${at} belongs to ${mutant.requirement}, which does not exist`);
    else if (!row.mutants.includes(mutant.id)) problems.push(`${at} is not named by ${row.id}`);
    else if (!row.tests.includes(mutant.test)) problems.push(`${at} is to be killed by ${mutant.test}, which ${row.id} does not name`);
    if (tests.get(mutant.test)?.length > 1) problems.push(`${at}: ${mutant.test} is ambiguous: ${tests.get(mutant.test)}`);
    mutant.testPath = tests.get(mutant.test)?.[0];
    for (const edit of mutant.edits) {
      const problem = applyEdit(ROOT, edit, false);
      if (problem) problems.push(`${at} ${problem}`);
    }
  }
  return { requirements, mutants, problems };
}

function readRequirements(name) {
  const rows = [];
  for (const line of fs.readFileSync(path.join(ROOT, name), "utf8").split("\n")) {
    const match = /^\|\s*([A-Z]{1,3}-\d+[a-z]?)\s*\|(.*)\|\s*$/.exec(line);
    if (!match) continue;
    const cells = match[2].split(/(?<!\\)\|/);
    const quoted = (cell) => [...(cell ?? "").matchAll(/`([^`]+)`/g)].map((m) => m[1]);
    rows.push({ id: match[1], source: name, tests: quoted(cells.at(-2)), mutants: quoted(cells.at(-1)) });
  }
  return rows;
}

// "File.t.sol:test_X" -> paths of the files that hold it
function indexTests() {
  const tests = new Map();
  for (const file of walk(path.join(ROOT, "test"))) {
    if (!file.endsWith(".t.sol")) continue;
    const text = fs.readFileSync(file, "utf8");
    for (const [, name] of text.matchAll(/^\s*function\s+((?:test|invariant)\w*)\s*\(/gm)) {
      const key = `${path.basename(file)}:${name}`;
      tests.set(key, [...(tests.get(key) ?? []), path.relative(ROOT, file)]);
    }
  }
  return tests;
}

function* walk(dir) {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const full = path.join(dir, entry.name);
    if (entry.isDirectory()) yield* walk(full);
    else yield full;
  }
}

function select(mutants, options) {
  let selected = mutants;
  if (options.only.length > 0) selected = selected.filter((m) => options.only.some((p) => m.id.startsWith(p)));
  if (options.changed !== null) {
    const git = (...args) => execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const changed = new Set(git("diff", "--name-only", "--relative", options.changed).split("\n"));
    const before = new Map();
    for (const source of new Set(mutants.map((m) => m.source))) {
      try {
        for (const raw of JSON.parse(git("show", `${options.changed}:./${source}`))) before.set(raw.id, JSON.stringify(raw));
      } catch {
        // The file is new: all its mutants are.
      }
    }
    selected = selected.filter((m) => {
      const { source, edits, testPath, ...raw } = m;
      if (!("file" in raw)) raw.edits = edits;
      const same = before.has(m.id) && sameFields(JSON.parse(before.get(m.id)), raw);
      return !same || changed.has(m.testPath) || m.edits.some((e) => changed.has(e.file));
    });
  }
  return selected;
}

function sameFields(a, b) {
  const sorted = (o) => JSON.stringify(Object.entries(o).sort(([x], [y]) => (x < y ? -1 : 1)));
  return sorted(a) === sorted(b);
}

// Returns what is wrong, or null; writes the mutated file if `write`.
function applyEdit(dir, edit, write) {
  const file = path.join(dir, edit.file);
  if (!fs.existsSync(file)) return `mutates ${edit.file}, which does not exist`;
  const text = fs.readFileSync(file, "utf8");
  const pattern = edit.find.trim().split(/\s+/).map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
  const hits = [...text.matchAll(new RegExp(pattern, "g"))];
  if (hits.length === 0) return `does not apply: no "${edit.find}" in ${edit.file}`;
  if (hits.length > 1 && !edit.nth) return `does not apply: "${edit.find}" occurs ${hits.length} times in ${edit.file}`;
  const hit = hits[(edit.nth ?? 1) - 1];
  if (!hit) return `does not apply: "${edit.find}" occurs only ${hits.length} times in ${edit.file}`;
  const mutated = text.slice(0, hit.index) + edit.replace + text.slice(hit.index + hit[0].length);
  if (mutated === text) return "changes nothing";
  if (write) fs.writeFileSync(file, mutated);
  return null;
}

// ---- running ----
//
// Compiling is what costs, so a mutant is compiled alone, in a process that keeps its compiler, and its bytecode put in
// place of the true one among forge's artifacts: tests that deploy with `new` look it up there (dynamic test linking), and
// forge has nothing to compile. A test may hold code of its own copy nevertheless; so before a mutant is called a
// survivor it is tried again with its source really changed.

const children = new Set();

async function run(mutants, jobs) {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), "zkpool-mutants-"));
  process.on("exit", () => {
    for (const child of children) child.kill();
    fs.rmSync(base, { recursive: true, force: true });
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

  const first = path.join(base, "0");
  copyProject(first);
  const failures = await checkUnbroken(first, mutants);
  if (failures.length > 0) return failures;

  const dirs = [first];
  while (dirs.length < Math.min(jobs, mutants.length)) {
    const dir = path.join(base, String(dirs.length));
    fs.cpSync(first, dir, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    dirs.push(dir);
  }
  const queue = [...mutants];
  let done = 0;
  await Promise.all(
    dirs.map(async (dir) => {
      const compiler = startCompiler(dir);
      for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
        const started = Date.now();
        const problem = await tryMutant(dir, compiler, mutant);
        const seconds = ((Date.now() - started) / 1000).toFixed(1);
        const verdict = problem ? `NOT KILLED (${problem})` : `killed by ${mutant.test}`;
        console.log(`[${++done}/${mutants.length}] ${mutant.id} ${verdict} (${seconds}s)`);
        if (problem) failures.push(`${mutant.id}: ${problem}`);
      }
      await compiler.worker.terminate();
    }),
  );
  return failures.sort();
}

function copyProject(dir) {
  fs.mkdirSync(dir);
  const skip = new Set(["node_modules", "out", "cache", "broadcast"]);
  for (const name of fs.readdirSync(ROOT)) {
    if (skip.has(name)) continue;
    fs.cpSync(path.join(ROOT, name), path.join(dir, name), { recursive: true, preserveTimestamps: true });
  }
  fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(dir, "node_modules"));
  fs.mkdirSync(path.join(dir, "cache", "solc"), { recursive: true });
}

// Every test that is to kill a mutant must pass without one.
async function checkUnbroken(dir, mutants) {
  const failures = [];
  const names = [...new Set(mutants.map((m) => m.test.split(":")[1]))];
  const files = new Set(mutants.map((m) => m.testPath));
  console.log(`running ${names.length} tests of ${files.size} files without a mutant`);
  // All of it: forge compiles again in every run what it has no artifacts of.
  const { code } = await forge(dir, ["build"]);
  const results = code === 0 ? await forgeTest(dir, [...files], names) : null;
  if (results === null) return ["the contracts or tests do not compile"];
  for (const mutant of mutants) {
    const status = results.get(`${mutant.testPath}:${mutant.test.split(":")[1]}`);
    if (status !== "Success") failures.push(`${mutant.test} does not pass without a mutant (${status ?? "did not run"})`);
  }
  return [...new Set(failures)];
}

// Returns why the mutant cannot be said to be killed, or null.
async function tryMutant(dir, compiler, mutant) {
  const name = mutant.test.split(":")[1];
  const originals = new Map();
  const keep = (file) => originals.has(file) || originals.set(file, { text: fs.readFileSync(file), stat: fs.statSync(file) });
  const restore = () => {
    for (const [file, { text, stat }] of originals) {
      fs.writeFileSync(file, text);
      fs.utimesSync(file, stat.atime, stat.mtime);
    }
    originals.clear();
    // Failures that forge remembers must not be replayed against the next mutant.
    for (const memory of ["fuzz", "invariant"]) fs.rmSync(path.join(dir, "cache", memory), { recursive: true, force: true });
  };
  const mutate = () => {
    for (const edit of mutant.edits) {
      keep(path.join(dir, edit.file));
      const problem = applyEdit(dir, edit, true);
      if (problem) return problem;
    }
    return null;
  };
  const verdict = async (linking) => {
    const results = await forgeTest(dir, [mutant.testPath], [name], linking);
    if (results === null) return "does not compile";
    const status = results.get(`${mutant.testPath}:${name}`);
    if (status === undefined) return `${mutant.test} did not run`;
    if (status === "setUp failed") return `breaks the fixture of ${mutant.test} instead of the test`;
    return status === "Failure" ? null : `survives ${mutant.test}`;
  };

  try {
    const problem = mutate();
    if (problem) return problem;
    const { error, artifacts } = await compiler.compile(mutant.edits.map((e) => e.file));
    if (error) return `does not compile: ${error}`;
    restore();
    for (const { file, bytecode, deployedBytecode } of artifacts) {
      // Not everything is built: only what the tests need.
      if (!fs.existsSync(file)) continue;
      keep(file);
      const artifact = JSON.parse(originals.get(file).text);
      artifact.bytecode = bytecode;
      artifact.deployedBytecode = deployedBytecode;
      fs.writeFileSync(file, JSON.stringify(artifact));
    }
    if ((await verdict(true)) === null) return null;
    // What a test deploys before its first function, or expects to fail while it is deployed, is not taken from the
    // artifacts: the last word has a build in which every test holds the code of what it tests.
    restore();
    mutate();
    return await verdict(false);
  } finally {
    restore();
  }
}

// Map of "path:function" to status; null if it did not compile.
async function forgeTest(dir, files, names, linking = true) {
  const matchPath = files.length === 1 ? files[0] : `{${files.join(",")}}`;
  const { out } = await forge(dir, ["test", "--json", "--match-path", matchPath, "--match-test", `^(${names.join("|")})\\(`], linking);
  const line = out.split("\n").find((l) => l.startsWith("{"));
  if (line === undefined) return null;
  const results = new Map();
  for (const [suite, { test_results }] of Object.entries(JSON.parse(line))) {
    const file = suite.slice(0, suite.lastIndexOf(":"));
    for (const [signature, { status }] of Object.entries(test_results)) {
      const name = signature.split("(")[0];
      const key = `${file}:${name}`;
      // Several contracts of one file may hold the test: one that fails is enough.
      if (results.get(key) !== "Failure") results.set(key, status);
      if (name === "setUp" && status === "Failure") for (const n of names) results.set(`${file}:${n}`, "setUp failed");
    }
  }
  return results;
}

function forge(dir, args, linking = true) {
  const local = path.join(ROOT, "node_modules", ".bin");
  const env = {
    ...process.env,
    PATH: `${local}${path.delimiter}${process.env.PATH}`,
    FOUNDRY_SOLC: path.join(dir, "tools", "solc"),
    FOUNDRY_DYNAMIC_TEST_LINKING: String(linking),
    ...(linking ? {} : { FOUNDRY_OUT: "out-whole", FOUNDRY_CACHE_PATH: "cache/whole" }),
    ZKPOOL_SOLC_CACHE: path.join(dir, "cache", "solc"),
    // A failure is all that is asked for, not the shortest way to it.
    FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT: "0",
  };
  return new Promise((resolve, reject) => {
    const child = spawn("forge", [args[0], "--root", dir, ...args.slice(1)], { cwd: dir, env, stdio: ["ignore", "pipe", "ignore"] });
    children.add(child);
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code, out });
    });
  });
}

// ---- the compiler, in a thread of its own ----

function startCompiler(dir) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { dir } });
  let pending;
  worker.on("message", (message) => pending.resolve(message));
  worker.on("error", (error) => pending.reject(error));
  const compile = (files) =>
    new Promise((resolve, reject) => {
      pending = { resolve, reject };
      worker.postMessage(files);
    });
  return { worker, compile };
}

function serveCompiler({ dir }) {
  const solc = createRequire(path.join(ROOT, "package.json"))("solc");
  const config = JSON.parse(
    execFileSync(path.join(ROOT, "tools", "forge"), ["config", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );
  const settings = {
    remappings: config.remappings,
    optimizer: { enabled: config.optimizer, runs: config.optimizer_runs },
    evmVersion: config.evm_version,
    viaIR: config.via_ir,
    metadata: { bytecodeHash: config.bytecode_hash, appendCBOR: config.cbor_metadata },
  };
  const sources = [...walk(path.join(dir, "src"))].filter((f) => f.endsWith(".sol")).map((f) => path.relative(dir, f));
  const importers = new Map(sources.map((f) => [f, []]));
  for (const file of sources) {
    for (const [, target] of fs.readFileSync(path.join(dir, file), "utf8").matchAll(/^\s*import[^";]*"([^"]+)"/gm)) {
      importers.get(path.join(path.dirname(file), target))?.push(file);
    }
  }
  const read = (name) => {
    const remapping = config.remappings.map((r) => r.split("=")).find(([prefix]) => name.startsWith(prefix));
    const file = remapping ? remapping[1] + name.slice(remapping[0].length) : name;
    try {
      return { contents: fs.readFileSync(path.resolve(dir, file), "utf8") };
    } catch (error) {
      return { error: error.message };
    }
  };

  parentPort.on("message", (files) => {
    // What is changed, and whatever imports it.
    const changed = new Set(files);
    for (const file of changed) for (const importer of importers.get(file) ?? []) changed.add(importer);
    const selection = ["evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode"];
    const input = {
      language: "Solidity",
      sources: Object.fromEntries([...changed].map((f) => [f, { content: fs.readFileSync(path.join(dir, f), "utf8") }])),
      settings: { ...settings, outputSelection: Object.fromEntries([...changed].map((f) => [f, { "*": selection }])) },
    };
    const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
    const error = output.errors?.find((e) => e.severity === "error");
    if (error) return parentPort.postMessage({ error: error.message, artifacts: [] });
    const artifacts = [];
    for (const [file, contracts] of Object.entries(output.contracts)) {
      for (const [name, { evm }] of Object.entries(contracts)) {
        if (!changed.has(file)) continue;
        artifacts.push({
          file: path.join(dir, "out", path.basename(file), `${name}.json`),
          bytecode: { ...evm.bytecode, object: `0x${evm.bytecode.object}` },
          deployedBytecode: { ...evm.deployedBytecode, object: `0x${evm.deployedBytecode.object}` },
        });
      }
    }
    parentPort.postMessage({ error: null, artifacts });
  });
}

if (isMainThread) await main();
else serveCompiler(workerData);
