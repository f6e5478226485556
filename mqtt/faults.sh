#!/usr/bin/env bash
# Every fault in full, with a real mosquitto, and the measurements; RESULTS.md has the figures. Takes some 20 minutes, as root
# (network namespace, small disks). Each part by itself:
#
#   mqtt/faults.sh [kills|outage|link|clock|disk|load|latency|bytes|daemon]...
set -euo pipefail
cd "$(dirname "$0")/.."
export EDGEVLM_FAULTS=full
parts=("$@")
[ $# -gt 0 ] || parts=(kills outage link clock disk load latency bytes daemon)
for part in "${parts[@]}"; do
	package=./mqtt
	case $part in
	kills) tests='OutliveKills|HalfOpen|LostToKill' ;;
	outage) tests='BrokerAwayForAnHour' ;;
	link) tests='LinkThatDropsPackets' ;;
	clock) tests='ClockSteps|WhateverTheClockDoes|FirstTimeSync' ;;
	disk) tests='FullDisk|ReadOnlyDisk|FailingDisk|FailsNowAndThen|PowerCut' ;;
	load) tests='ThousandEvents' ;;
	latency) tests='Latency' ;;
	bytes) tests='BytesOnTheDisk' ;;
	daemon) tests='RealDaemon' package=./cmd/edgevlm ;;
	*) echo "$0: no part $part" >&2; exit 2 ;;
	esac
	echo "== $part"
	# No pipe into a pager or a filter: a test that fails must fail this.
	go test -count 1 -v -timeout 40m -run "$tests" "$package"
done
