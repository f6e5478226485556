#!/usr/bin/env bash
# Installs what the Python and Node examples need into a directory of its own and runs all three against a broker.
#
#   mqtt/examples/check.sh [DIRECTORY]
set -euo pipefail
dir=${1:-$(mktemp -d)}
cd "$(dirname "$0")"
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q paho-mqtt==2.1.0 msgpack==1.1.0
cp node/package.json node/read.js "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir"
EDGEVLM_EXAMPLES_PYTHON="$dir/venv/bin/python" EDGEVLM_EXAMPLES_NODE="$dir/node.sh" bash -c '
	printf "#!/bin/sh\nshift\nexec node %s/read.js \"\$@\"\n" "'"$dir"'" > "$EDGEVLM_EXAMPLES_NODE"
	chmod +x "$EDGEVLM_EXAMPLES_NODE"
	go test -count 1 -v .'
