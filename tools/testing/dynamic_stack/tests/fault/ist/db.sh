#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: fault planted-fault
# As fault/ist/nmi, with a #DB of a watchpoint on what the code on the #PF stack
# reads. If #DB did not restore CR2 (planted), the fault on the user page would
# be taken for another.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

nested db '#DBs' 200
