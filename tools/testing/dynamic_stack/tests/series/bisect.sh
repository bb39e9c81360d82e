#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 10800
# Each commit of the branch compiles what it touches, DYNAMIC_STACK=y and =n; those of
# series A boot, and pass the KUnit cases that they have.
set -euo pipefail
"$TOOLS/series" check bisect
