# SPDX-License-Identifier: GPL-2.0
"""
The harness's programs. Each has an entry point of a few lines in the directory above,
which calls main() of its module here:

  check  bench  depth  demo  series  storm  android-ab: android  vm: guest
  mkinitramfs: initramfs  census.py: census  bochs.py: bochs
  planted

What they share, lowest first; nothing calls upwards:

  ui        messages, errors of one line, the progress line, tables, results as JSON
  arch      what differs between architectures
  repo      paths, base.mk, other programs
  plot      gnuplot, in one style
  cpio      an archive for the guest
"""
