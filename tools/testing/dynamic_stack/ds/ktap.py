# SPDX-License-Identifier: GPL-2.0
"""What KUnit has said on a console, as the kernel's own kunit.py reads it"""

import json
import os
import subprocess
import sys
import tempfile

from .repo import BUILD
from .ui import Error


def suites(lines):
    """KTAP in a console's lines -> its suites, in the form that kunit.py --json has"""
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "console"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        r = subprocess.run([sys.executable, os.path.join(BUILD, "linux/tools/testing/kunit/kunit.py"), "parse",
                            "--json=" + os.path.join(d, "json"), os.path.join(d, "console")], check=False, text=True,
                           env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            with open(os.path.join(d, "json"), encoding="utf-8") as f:
                return json.load(f)["sub_groups"]
        except FileNotFoundError:
            raise Error(f"kunit.py parse: {r.stdout.strip().splitlines()[-1:]}") from None
