#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from ds import ui  # noqa: E402

ui.run("census")
