#!/usr/bin/env bash
# Installs the Python and Node clients of the client matrix, in the versions that are pinned here, and compiles the
# Java one, into target/clients or the folder given. Does nothing where they are there already.
#
#     tests/clients/setup.sh [folder]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../target/clients}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
pins=$(cat "$here"/requirements.txt "$here"/package.json "$here"/package-lock.json "$here"/*.java | cksum)

if [ "$(cat "$folder/pins" 2>/dev/null)" = "$pins" ]; then
    echo "the clients are there"
    exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"
python3 -m venv "$folder/python"
"$folder/python/bin/python" -m pip install --quiet --no-deps --requirement "$here/requirements.txt"
cp "$here/package.json" "$here/package-lock.json" "$folder/"
(cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund)
javac -d "$folder/java" "$here"/*.java
echo "$pins" >"$folder/pins"
echo "the clients are installed"
