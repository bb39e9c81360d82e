#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# beside: builds
"""check takes the row of the configuration matrix that it is told, or today's; the others say how"""

import datetime
import os
import sys

sys.path.insert(0, os.environ["TOOLS"])
from ds import check  # noqa: E402


def chosen(day=None):
    class Fixed(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime(2026, 1, 1, tzinfo=tz) + datetime.timedelta(days=day or 0)

    real, check.datetime.datetime = check.datetime.datetime, Fixed
    try:
        tests = [t for t in check.table() if t.name.split("/")[0] in ("config", "script")]
        check.choose_config(tests)
    finally:
        check.datetime.datetime = real
    for t in tests:
        if t.status:
            assert t.name.startswith("config/") and t.status == "skip", t.name
            assert f"TESTS={t.name}" in t.reason and "check-configs" in t.reason and "_" in t.reason, t.reason
    return [t.name for t in tests if not t.status and t.name.startswith("config/")]


os.environ.pop("DS_CONFIG", None)
rows = sorted(t.name for t in check.table() if t.name.startswith("config/"))
assert len(rows) > 3, rows
assert not chosen()
os.environ["DS_CONFIG"] = "day"
days = [chosen(day) for day in range(len(rows))]
assert all(len(day) == 1 for day in days) and sorted(sum(days, [])) == rows, days
assert chosen(3) == chosen(3 + len(rows))
for row in rows:
    assert os.path.exists(os.path.join(os.environ["ROOT"], "configs/matrix", row.split("/")[1] + ".config")), row
os.environ["DS_CONFIG"] = "kasan"
assert chosen(0) == chosen(1) == ["config/kasan"]
os.environ["DS_CONFIG"] = "all"
assert chosen() == rows
os.environ["DS_CONFIG"] = "nonsense"
try:
    chosen()
    sys.exit("FAIL: a row that is not there is no error")
except check.Error as e:
    assert "kasan" in str(e), e
