# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the harness's shell scripts share: messages, one-line errors, a check
# of free disk space, and a wrapper that never lets a long command be silent.
# Source it after `set -euo pipefail`.

# DS_ROOT: another repository root, for tests of the scripts themselves
DS_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${DS_ROOT:-$(cd "$DS_HERE/../../.." && pwd)}

msg() { printf '%s\n' "$*"; }
note() { printf 'note: %s\n' "$*" >&2; }

# die WHAT: what to do  - one line, exit 1
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# SERIES: the base. base.mk has the usual one's, bases/SERIES.mk another's
TOP=$ROOT/build
BUILD=$TOP
if [ -r "$ROOT/base.mk" ]; then
	base_mk=$ROOT/base.mk
	usual=$(sed -n 's/^SERIES=//p' "$base_mk")
	if [ "${SERIES:-$usual}" != "$usual" ]; then
		base_mk=$ROOT/bases/$SERIES.mk
		[ -r "$base_mk" ] ||
			die "SERIES=$SERIES: there is no bases/$SERIES.mk: $(cd "$ROOT" && echo "$usual" "$(find bases -name '*.mk' -printf '%f\n' 2>/dev/null | sed 's/\.mk$//' | sort -V | xargs)")"
		# What is built of another base is apart
		BUILD=$TOP/$SERIES
	fi
	# NAME=value lines; what is set in the environment wins
	while IFS='=' read -r name value; do
		case $name in
		BASE_PACKAGE | BASE_VERSION | BASE_SUITE | SERIES)
			[ -n "${!name:-}" ] || printf -v "$name" %s "$value"
			export "${name?}" ;;
		esac
	done <"$base_mk"
fi
# ARCH: for which architecture kernels and guests are. $OUT: where they are; the
# source tree is in $BUILD for all. ds/arch.py has the rest
case ${ARCH:-} in
arm64) OUT=$BUILD/arm64 ;;
*) OUT=$BUILD ;;
esac
# shellcheck disable=SC2034 # for the scripts that source this
LOG=$OUT/log

# need_cmd COMMAND PACKAGE
need_cmd() {
	command -v "$1" >/dev/null ||
		die "$1 is not installed: run 'make setup' (Debian package $2)"
}

# need_disk DIRECTORY GIB: is there that much room?  DS_DISK_GIB overrides
# the amount (0: don't look).
need_disk() {
	local dir=$1 gib=${DS_DISK_GIB:-$2} have
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	have=$(df -Pk "$dir" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$have" -ge "$gib" ] ||
		die "only $have GiB free in $dir, $gib GiB needed: free some, or set DS_DISK_GIB to another limit"
}

# progress LABEL LOGFILE USUAL [TOTAL [PATTERN]] -- COMMAND...
#
# Run COMMAND with its output in LOGFILE and say what is being done, how long
# it usually takes, how long it has taken, and how far it is: the lines of the
# log that match PATTERN, of TOTAL.  On a terminal one line is kept up to date;
# elsewhere a plain line comes every 15 s.  If the command fails, its log's end
# and path are shown.  Returns the command's status.
progress() {
	local label=$1 log=$2 usual=$3 total=0 pattern='.'
	shift 3
	if [ "$1" != -- ]; then total=$1; shift; fi
	if [ "$1" != -- ]; then pattern=$1; shift; fi
	shift
	local start=$SECONDS last=$SECONDS pid n far status=0 tty=0
	[ -t 1 ] && tty=1
	mkdir -p "$(dirname "$log")"
	msg "$label (usually $usual; log: ${log#"$ROOT"/})"
	# The command's own process group, so that an interrupt takes all of it
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	# shellcheck disable=SC2064 # $pid is meant to be expanded now
	trap "kill -- -$pid 2>/dev/null; exit 130" INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ $tty = 0 ] && [ $((SECONDS - last)) -lt 15 ]; then continue; fi
		last=$SECONDS
		far=
		if [ "$total" -gt 0 ]; then
			n=$(grep -c -e "$pattern" "$log" || true)
			far=", $n of about $total"
		fi
		if [ $tty = 1 ]; then
			printf '\r\033[K  %d:%02d%s' $(((SECONDS - start) / 60)) \
				$(((SECONDS - start) % 60)) "$far"
		else
			printf '  %s: %d:%02d%s\n' "$label" $(((SECONDS - start) / 60)) \
				$(((SECONDS - start) % 60)) "$far"
		fi
	done
	wait "$pid" || status=$?
	trap - INT TERM
	[ $tty = 0 ] || printf '\r\033[K'
	if [ $status -ne 0 ]; then
		msg "--- end of $log"
		tail -n 30 "$log"
		msg "---"
		note "failed with status $status after $((SECONDS - start)) s; the whole log: $log"
	fi
	return $status
}

# other_suite SUITE deb|deb-src DIRECTORY LOG ELSE: the package list of a suite that is not
# this machine's own, in a directory of our own; $apt: apt-get's options for that list
# alone. ELSE: what one may do instead.
other_suite() {
	local suite=$1 dir=$3 log=$4 keep=$5 keys release uri why
	keys=${DS_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
	[ -r "$keys" ] || die "$keys is missing: install the Debian package debian-archive-keyring"
	need_cmd apt-get apt

	# This machine's archive: what its own release's main component comes from
	release=${DS_RELEASE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
	# shellcheck disable=SC2016 # apt's own variables
	uri=${DS_ARCHIVE:-$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(IDENTIFIER) $(REPO_URI)' 2>/dev/null |
		awk -v r="$release" '$1 == r && $2 == "main" && $3 == "Packages" { print $4; exit }')}
	case $uri in
	'') die "apt knows no archive for '$release main', so none for $suite: add one, $keep" ;;
	*security*) die "apt's archive for '$release main' is a security archive, which has no $suite: add another, $keep" ;;
	file:* | copy:* | cdrom:*)
		[ -n "${DS_ARCHIVE:-}" ] ||
			die "apt's archive for '$release main' is on this machine, which has no $suite: add another, $keep" ;;
	esac

	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	echo "$2 [signed-by=$keys] $uri $suite main" >"$dir/base.list"
	apt=(-o "Dir::Etc::sourcelist=$dir/base.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=
		-o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false
		-o APT::Update::Error-Mode=any)
	progress "Reading the package list of $suite" "$log" "10 s" -- apt-get "${apt[@]}" update >"$dir/said" 2>&1 || {
		why=$(grep -m1 -E 'NO_PUBKEY|not signed|no longer signed|does not have a Release|Could not|404|Err:' "$log" || true)
		die "$suite can't be read, or is not signed by a key of $keys (${why:-see $log}): see $log, $keep"
	}
}
