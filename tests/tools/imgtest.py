# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of qemu-img share: both programs, images made alike for each, and what is compared. Arguments: QEMU-IMG EMULATOR."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

OURS, EMULATOR = map(os.path.abspath, sys.argv[1:3])
THEIRS = os.environ.get('QEMU_IMG_BINARY', '/usr/bin/qemu-img')
THEIR_EMULATOR = '/usr/bin/qemu-system-x86_64'
if not os.access(THEIRS, os.X_OK):
    print("1..0 # SKIP no Debian's qemu-img")
    sys.exit(0)

results = []


def report(name, problems):
    results.append(not problems)
    print(f"{'not ok' if problems else 'ok'} {len(results)} - {name}", flush=True)
    for p in problems:
        print('#  ' + str(p).replace('\n', '\n#  '))


def run(binary, *args, cwd):
    p = subprocess.run([binary, *args], cwd=cwd, capture_output=True, text=True, timeout=120)
    return p.returncode, p.stdout, p.stderr


def plain(text):
    """Without what came after 7.2 and without what differs by nature."""
    text = re.sub(r"Child node '/file':\n(    .*\n)+", '', text)                    # info: 8.0
    text = re.sub(r', "compressed": (true|false)', '', text)                        # map: 8.2
    text = re.sub(r'disk size: .*\n', '', text)                                     # the file system's
    text = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', 'DATE', text)
    text = re.sub(r'(?<=DATE \d\d:\d\d:\d\d\.\d{3}) +0?(?=\n)', '', text)            # a VM's icount, where there is none
    return text


def plain_json(text):
    """compressed: map, 8.2; children: info, 8.0."""
    def strip(v):
        if isinstance(v, dict):
            return {k: strip(x) for k, x in v.items()
                    if k not in ('children', 'actual-size', 'date-sec', 'date-nsec', 'icount', 'image-end-offset', 'compressed')}
        return [strip(x) for x in v] if isinstance(v, list) else v
    return strip(json.loads(text))


def both(name, *args, setup=None, is_json=False, stderr=True, after=None):
    """The same command in two folders that were made alike."""
    problems = []
    with tempfile.TemporaryDirectory() as top:
        out = []
        for binary, folder in ((OURS, 'a'), (THEIRS, 'b')):
            d = os.path.join(top, folder)
            os.mkdir(d)
            if setup:
                setup(d)
            code, so, se = run(binary, *args, cwd=d)
            so = plain_json(so) if is_json and so[:1] in '[{' and so else plain(so)
            out.append((code, so, se.strip().split('\n')[0] if stderr else ''))
        for what, a, b in zip(('exit code', 'output', 'message'), *out):
            if a != b:
                problems.append(f'{what}: ours {a!r}, theirs {b!r}')
        if after:
            problems += after(os.path.join(top, 'a'), os.path.join(top, 'b')) or []
    report(name, problems)


def sound(d, img, allowed=(0,)):
    code, so, se = run(THEIRS, 'check', img, cwd=d)
    return [] if code in allowed else [f'{img}: their check: {code} {so}{se[:500]}']


def equal(d, a, fa, b, fb):
    code, so, se = run(THEIRS, 'compare', '-f', fa, '-F', fb, a, b, cwd=d)
    return [] if code == 0 else [f'{a} {b}: {so}{se}']


def raw(d, name='r.raw', size=4 << 20, seed=1):
    r = random.Random(seed)
    with open(os.path.join(d, name), 'wb') as f:
        f.truncate(size)
        for _ in range(12):
            f.seek(r.randrange(0, size - 70000, 512))
            f.write(r.randbytes(r.randrange(1, 130) * 512))
        f.seek(size // 2)
        f.write(b'compressible ' * 20000)


def image(*opts, name='i.qcow2', seed=1):
    def make(d):
        raw(d, seed=seed)
        assert run(THEIRS, 'convert', '-f', 'raw', '-O', 'qcow2', *opts, 'r.raw', name, cwd=d)[0] == 0
    return make


def chain(d):
    image(name='base.qcow2')(d)
    assert run(THEIRS, 'create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'top.qcow2', cwd=d)[0] == 0
    write(d, 'top.qcow2', 3)


def write(d, name, seed):
    """Random writes by their qemu-io."""
    r = random.Random(seed)
    cmds = []
    for _ in range(12):
        cmds += ['-c', f'write -q -P {r.randrange(1, 255)} {r.randrange(0, 8000) * 512} {r.randrange(1, 100) * 512}'
                 if r.random() < 0.7 else f'write -q -z {r.randrange(0, 8000) * 512} {r.randrange(1, 100) * 512}']
    p = subprocess.run(['/usr/bin/qemu-io', '-f', 'qcow2', *cmds, name], cwd=d, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr


def snapshots(d):
    image()(d)
    for s in 'one', 'two words':
        assert run(THEIRS, 'snapshot', '-c', s, 'i.qcow2', cwd=d)[0] == 0
        write(d, 'i.qcow2', 5)


def poked(off, data):
    def make(d):
        image()(d)
        with open(os.path.join(d, 'i.qcow2'), 'r+b') as f:
            f.truncate(2 << 20)
            f.seek(off)
            f.write(data)
    return make


def two(d):
    raw(d)
    image(name='i.qcow2')(d)
    raw(d, 'other.raw', seed=2)
    raw(d, 'long.raw', 6 << 20)


def debug(img, **opts):
    return 'json:' + json.dumps({'driver': 'qcow2', 'file': {'driver': 'blkdebug', 'image': {'driver': 'file', 'filename': img}, **opts}})


def overlay(d):
    raw(d, 'base.raw')
    assert run(THEIRS, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'i.qcow2', cwd=d)[0] == 0


def cut_overlay(d):
    """Of a base that ends inside a cluster."""
    with open(os.path.join(d, 'base.raw'), 'wb') as f:
        f.write(random.Random(7).randbytes(99 * 1024))
    assert run(THEIRS, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'i.qcow2', cwd=d)[0] == 0


def holding(binary, args, d, probe):
    """probe's problems while an emulator, stopped at its start, has the image."""
    p = subprocess.Popen([binary, '-M', 'none', '-display', 'none', '-S', '-qmp', 'stdio', *args], cwd=d, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        greeting = p.stdout.readline()
        return probe() if 'QMP' in greeting else [f'{binary} did not start: {p.communicate(timeout=10)[1]}']
    finally:
        p.kill()
        p.wait()


def finish():
    print(f'1..{len(results)}')
    sys.exit(not all(results))
