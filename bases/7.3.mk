# SPDX-License-Identifier: GPL-2.0
# The kernel that patches/7.3 is made for: `make SERIES=7.3 ...`. As base.mk, and
# the suite that the package comes from, since it is not in this machine's own.
BASE_PACKAGE=linux-source-7.3
BASE_VERSION=7.3.4-1~bpo13+1
BASE_SUITE=trixie-backports
SERIES=7.3
