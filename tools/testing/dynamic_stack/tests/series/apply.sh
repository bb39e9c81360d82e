#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# beside: builds
# The series applies to the pristine base without fuzz, and the tree that is
# built and tested is exactly what it gives.
set -euo pipefail
"$TOOLS/series" check apply
