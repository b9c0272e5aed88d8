#!/usr/bin/env node
// Brings RISC Zero's own Solidity contracts to lib/risc0 (not in git): `node tools/risc0.mjs`.
// Their authors publish them inside a crate. `cargo info` fetches that one crate; a dependency on it would fetch the 430
// that its Rust code builds on. What cargo fetched is checked against the hash below before anything is copied.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NAME = "risc0-ethereum-contracts";
const VERSION = "3.0.1";
const SHA256 = "9a604f09f459f456fd9ef4919c6efcaa6a787a6f9ffcd76cfc81eae1860584a1";
const WANTED = ["src", "test/TestReceiptV3_0.sol"];

const lib = join(dirname(fileURLToPath(import.meta.url)), "..", "lib");
const registry = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry");

/** Where cargo has unpacked the crate, or undefined. Each registry has a directory under both `cache` and `src`. */
function unpacked() {
  const cache = join(registry, "cache");
  for (const origin of existsSync(cache) ? readdirSync(cache) : []) {
    const archive = join(cache, origin, `${NAME}-${VERSION}.crate`);
    const source = join(registry, "src", origin, `${NAME}-${VERSION}`);
    if (!existsSync(archive) || !existsSync(join(source, ".cargo-ok"))) continue;
    const hash = createHash("sha256").update(readFileSync(archive)).digest("hex");
    if (hash !== SHA256) throw new Error(`${archive} has the SHA-256 ${hash}, not ${SHA256}`);
    return source;
  }
}

if (!unpacked()) {
  // Elsewhere than in a workspace, whose lock file and settings are of no concern here.
  execFileSync("cargo", ["info", "--quiet", `${NAME}@${VERSION}`], { cwd: tmpdir(), stdio: ["ignore", "ignore", "inherit"] });
}
const source = unpacked();
if (!source) throw new Error(`cargo has not left ${NAME} ${VERSION} in ${registry}`);

const target = join(lib, "risc0");
const fresh = join(lib, `.risc0-${process.pid}`);
mkdirSync(fresh, { recursive: true });
for (const path of WANTED) cpSync(join(source, path), join(fresh, path), { recursive: true });
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
console.log(`contracts/lib/risc0: ${NAME} ${VERSION}`);
