# SPDX-License-Identifier: GPL-2.0
# The kernel that patches/SERIES is made for.  Read by lib.sh alone, others ask it
# (plain NAME=value, no spaces).  BASE_VERSION is the version that was tested;
# another point release is tried, with a note.
BASE_PACKAGE=linux-source-6.12
BASE_VERSION=6.12.117-1~deb12u1
SERIES=6.12
