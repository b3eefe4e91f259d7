#!/usr/bin/env bash
# Installs what tests/deploy.rs checks deploy/kubernetes with, pinned, into target/deploy. Does nothing where it is there.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$here/../../target/deploy
pins=$(cksum <"$here/requirements.txt")

if [ "$(cat "$folder/pins" 2>/dev/null)" = "$pins" ]; then
    echo "the schemas are there"
    exit 0
fi
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --no-deps --requirement "$here/requirements.txt"
echo "$pins" >"$folder/pins"
echo "the schemas are installed"
