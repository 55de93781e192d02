#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The binary links what docs say and nothing else: everything more costs each start, and belongs in a module."""
import re
import subprocess
import sys

OURS = {'glib-2.0', 'urcu-memb', 'urcu-common', 'urcu', 'z', 'zstd', 'pixman-1', 'slirp', 'uring', 'seccomp', 'png16'}
LIBC = {'c', 'm', 'pthread', 'dl', 'rt', 'gcc_s', 'asan', 'ubsan', 'tsan', 'stdc++'}
BEHIND_THEM = {'pcre2-8'}  # glib's own

out = subprocess.run(['ldd', sys.argv[1]], capture_output=True, text=True, check=True).stdout
found = re.findall(r'^\s*lib(\S+?)\.so\S*', out, re.M)
extra = sorted(set(found) - OURS - LIBC - BEHIND_THEM)
print('1..1')
print('ok 1 only listed libraries are linked' if not extra and found else 'not ok 1 only listed libraries are linked')
for name in extra:
    print(f'# lib{name} is not on the list')
print(f'# {len(found)} libraries: {" ".join(found)}')
sys.exit(bool(extra) or not found)
