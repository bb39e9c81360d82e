#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# A base's package from another suite: what may be missing or wrong is one line each,
# and leaves no tarball behind; what is unsigned is not taken; what was fetched once
# is not fetched again. The archive is a directory here.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

repo=$DS_TMP/repo archive=$DS_TMP/archive
mkdir -p "$repo/bases" "$archive/dists/some-suite/main/binary-amd64" "$archive/pool" "$DS_TMP/pkg/DEBIAN" "$DS_TMP/pkg/usr/src"
printf 'BASE_PACKAGE=linux-source-1.0\nBASE_VERSION=1.0-1\nSERIES=1.0\n' >"$repo/base.mk"
base() { printf 'BASE_PACKAGE=%s\nBASE_VERSION=%s\nBASE_SUITE=some-suite\nSERIES=7.3\n' "$1" "$2" >"$repo/bases/7.3.mk"; }
base linux-source-7.3 7.3.1-1
export DS_ROOT=$repo DS_DISK_GIB=0 SERIES=7.3
unset BASE_PACKAGE BASE_VERSION BASE_SUITE BASE_TARBALL
fetch=$TOOLS/fetch-base
none() {
	[ -z "$(find "$repo/build/base" -type f 2>/dev/null)" ] || fail "something was left: $(find "$repo/build/base" -type f)"
}

# The usual base is none of its business
SERIES=1.0 "$fetch"
[ ! -e "$repo/build/apt" ] || fail "asked for the usual base"

expect_error 'no archive for .nosuch main.' env DS_RELEASE=nosuch "$fetch"
expect_error 'is a security archive' env DS_ARCHIVE=http://debian-security.invalid/ "$fetch"
expect_error 'is missing: install the Debian package debian-archive-keyring' env DS_KEYRING=/nowhere.gpg "$fetch"
none

# The archive: one package, as Debian lays it out
echo tarball >"$DS_TMP/pkg/usr/src/linux-source-7.3.tar.xz"
printf 'Package: linux-source-7.3\nVersion: 7.3.1-1\nArchitecture: all\nMaintainer: A Tester <a@localhost>\nDescription: none\n' \
	>"$DS_TMP/pkg/DEBIAN/control"
dpkg-deb -b --root-owner-group "$DS_TMP/pkg" "$archive/pool/l.deb" >/dev/null
dists=$archive/dists/some-suite
{
	cat "$DS_TMP/pkg/DEBIAN/control"
	printf 'Filename: pool/l.deb\nSize: %s\nSHA256: %s\n\n' "$(stat -c %s "$archive/pool/l.deb")" \
		"$(sha256sum <"$archive/pool/l.deb" | cut -d' ' -f1)"
} >"$dists/main/binary-amd64/Packages"
release() {
	local list=$dists/main/binary-amd64/Packages
	{
		printf 'Origin: Test\nSuite: some-suite\nCodename: some-suite\nArchitectures: amd64\nComponents: main\n'
		printf 'Date: %s\nSHA256:\n' "$(date -Ru)"
		printf ' %s %s main/binary-amd64/Packages\n' "$(sha256sum <"$list" | cut -d' ' -f1)" "$(stat -c %s "$list")"
	} >"$dists/Release"
}
release
export DS_ARCHIVE=file:$archive
expect_error "some-suite can't be read, or is not signed" "$fetch"
none

if ! command -v gpg >/dev/null; then
	echo "note: no gpg here: only what fails was tried"
	exit 0
fi
export GNUPGHOME=$DS_TMP/gnupg
mkdir -m 700 "$GNUPGHOME"
trap 'gpgconf --kill all 2>/dev/null || true' EXIT
sign() {
	release
	gpg --batch --yes -q --clearsign -u "$1" -o "$dists/InRelease" "$dists/Release"
}
for who in debian stranger; do
	gpg --batch -q --pinentry-mode loopback --passphrase '' --quick-gen-key "$who@localhost" rsa2048 sign never
	gpg --batch --export "$who@localhost" >"$DS_TMP/$who.gpg"
done
export DS_KEYRING=$DS_TMP/debian.gpg
sign stranger@localhost
expect_error "some-suite can't be read, or is not signed" "$fetch"
none

sign debian@localhost
base linux-source-7.2 7.2-1
expect_error 'linux-source-7.2 has left some-suite: take another tree' "$fetch"
none
base linux-source-7.3 7.3.1-1
"$fetch" | tee "$DS_TMP/said"
[ "$(cat "$repo/build/base/linux-source-7.3.tar.xz")" = tarball ] || fail "not the tarball"
[ "$(cat "$repo/build/base/linux-source-7.3.tar.xz.version")" = 7.3.1-1 ] || fail "not the version"
# Kept, whatever becomes of the archive
rm -r "$archive"
"$fetch"
echo "note: fetched from a signed archive only"
