#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: fault planted-fault
# As fault/ist/nmi, with a machine check. (Emulated as an Intel CPU: the kernel
# goes on after the error that is made up.)
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

nested mc 'machine checks' 50 --cpu max,vendor=GenuineIntel
