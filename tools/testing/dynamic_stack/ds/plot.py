# SPDX-License-Identifier: GPL-2.0
"""Plots: gnuplot, all in one style."""

import json
import os
import shutil
import subprocess

from .ui import note

# Told apart also by those who don't see red and green alike
GREY, GREEN, ORANGE, SKY = "#888888", "#009e73", "#e69f00", "#56b4e9"
BLUE, RED, PINK, YELLOW = "#0072b2", "#d55e00", "#cc79a7", "#f0e442"
SERIES = (GREY, GREEN, ORANGE, SKY, BLUE, RED, PINK)


def data(name, rows):
    """A block of data for a script"""
    return f"${name} << EOD\n" + "\n".join(rows) + "\nEOD\n"


def text(value):
    """A string in a script"""
    return json.dumps(value, ensure_ascii=False)


def draw(path, width, height, script):
    """Is there a plot now? If not, a note says why."""
    gnuplot = shutil.which("gnuplot")
    if not gnuplot:
        note("gnuplot is not installed: no plot (run 'make setup' or install the Debian package gnuplot-nox)")
        return False
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    head = f"""
set terminal pngcairo size {width},{height} font "sans,10"
set output {text(path)}
set style fill solid 0.85 border -1
set grid ytics
"""
    r = subprocess.run([gnuplot, "-"], input=head + script, text=True, capture_output=True, check=False)
    if r.returncode:
        said = r.stderr.strip().splitlines()
        note(f"no plot: gnuplot: {said[-1] if said else r.returncode}")
        return False
    return True
