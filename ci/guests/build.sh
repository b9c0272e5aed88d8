#!/bin/bash
# build.sh [--check] DIRECTORY NAME...: builds zkVM guests of the Cargo workspace in DIRECTORY and packs each, with the
# zkVM's kernel, into DIRECTORY/NAME.bin; its image id goes to DIRECTORY/NAME.id. With --check, nothing is written:
# the committed files must be what a build gives, bit for bit, wherever the repository lies.
#
# No rzup: Debian's compiler for the web, its sources of the standard library, and its linker are enough.
set -eu -o pipefail

check=false
if [ "${1:-}" = --check ]; then check=true; shift; fi
directory=$(cd "$1" && pwd); shift
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=riscv32im-risc0-zkvm-elf
built=$root/target/guests

rustc=/usr/bin/rustc
library=/usr/src/rustc-1.96.0/library
linker=/usr/bin/ld.lld-19
for needed in "$rustc" "$library" "$linker"; do
  if [ ! -e "$needed" ]; then
    echo "$needed is missing; on Debian bookworm: apt-get install --no-install-recommends rustc-web rust-web-src lld-19" >&2
    exit 1
  fi
done
if ! "$rustc" --version | grep -q '^rustc 1\.96\.0 '; then
  echo "$rustc is $("$rustc" --version); guests are built with 1.96.0, another version gives other image ids" >&2
  exit 1
fi

# Paths end up in panic messages, so they are replaced by names that are the same everywhere.
us=$'\x1f'
flags=(
  "-Cpasses=lower-atomic"
  "-Clink-arg=-Ttext=0x00200800"
  "-Clink-arg=--fatal-warnings"
  "-Cpanic=abort"
  "-Clinker=$linker"
  '--cfg=getrandom_backend="custom"'
  "--remap-path-prefix=$root=/zkpool"
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
)
encoded=$(IFS=$us; echo "${flags[*]}")

# RISC0_FEATURE_bigint2 says that the zkVM has big integers, which its crate for them asks for.
(
  cd "$directory"
  env -u RUSTFLAGS -u RUSTC_WRAPPER RUSTC=$rustc RUSTC_BOOTSTRAP=1 RISC0_FEATURE_bigint2= \
    __CARGO_TESTS_ONLY_SRC_ROOT="$library" CARGO_ENCODED_RUSTFLAGS="$encoded" \
    CARGO_TARGET_DIR="$built" cargo build --locked --release --target $target -Z build-std=std,panic_abort \
      -Z build-std-features=compiler-builtins-mem
)
CARGO_TARGET_DIR="$built" cargo build --locked --quiet --manifest-path "$here/pack/Cargo.toml"

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
differ=0
for name in "$@"; do
  "$built/debug/guest-pack" "$built/$target/release/$name" "$fresh/$name.bin" >"$fresh/$name.id"
  echo "$name: image id $(cat "$fresh/$name.id"), $(stat -c %s "$fresh/$name.bin") bytes"
  for file in "$name.bin" "$name.id"; do
    if ! $check; then
      cp "$fresh/$file" "$directory/$file"
    elif ! cmp "$fresh/$file" "$directory/$file"; then
      differ=1
    fi
  done
done
if [ $differ -ne 0 ]; then
  echo "the committed guests are not what their sources give: run $0 without --check" >&2
  exit 1
fi
