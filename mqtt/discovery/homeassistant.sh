#!/usr/bin/env bash
# Proves discovery with Home Assistant itself: installs it from PyPI into a directory of its own and runs TestHomeAssistant
# against it and mosquitto. Needs Python 3.13; takes some minutes the first time.
#
#   mqtt/discovery/homeassistant.sh [PYTHON] [DIRECTORY]
set -euo pipefail
python=${1:-python3.13}
venv=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/edgevlm-homeassistant}
cd "$(dirname "$0")"
if [ ! -x "$venv/bin/hass" ]; then
	"$python" -m venv "$venv"
	# Its own constraints, or pip tries versions for an hour.
	"$venv/bin/pip" download -q --no-deps -d "$venv" homeassistant==2025.4.4
	"$venv/bin/python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("homeassistant/package_constraints.txt", sys.argv[2])' \
		"$venv/homeassistant-2025.4.4-py3-none-any.whl" "$venv"
	"$venv/bin/pip" install -q -c "$venv/homeassistant/package_constraints.txt" homeassistant==2025.4.4 paho-mqtt
fi
EDGEVLM_HA_PYTHON="$venv/bin/python" go test -count 1 -v -run TestHomeAssistant -timeout 15m .
