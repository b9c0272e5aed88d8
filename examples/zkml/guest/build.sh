#!/bin/bash
# Builds the guest into digits.bin and digits.id; with --check compares the committed ones with what the sources give.
exec "$(dirname "$0")/../../../ci/guests/build.sh" "$@" "$(dirname "$0")" digits
