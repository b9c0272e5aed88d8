#!/bin/bash
# Builds the guest into rollup.bin and rollup.id; with --check compares the committed ones with what the sources give.
exec "$(dirname "$0")/../../../ci/guests/build.sh" "$@" "$(dirname "$0")" rollup
