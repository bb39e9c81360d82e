#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 3600
# Each commit of the branch compiles what it touches, DYNAMIC_STACK=y and =n.
set -euo pipefail
"$TOOLS/series" check bisect
