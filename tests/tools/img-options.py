#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img's options one by one, beside Debian's: what each asks for is done, or is refused in the same way.

Usage: img-options.py QEMU-IMG EMULATOR"""
import shutil
import signal
import time

from imgtest import *


# --- progress on a signal ---
def told_on_signal():
    """SIGUSR1 ends no command; one that has progress to tell does so once, on stderr."""
    problems = []
    line = re.compile(r'^    \(\d+\.\d\d/100%\)$')
    with tempfile.TemporaryDirectory() as d:
        raw(d, size=64 << 20)
        with open(os.path.join(d, 'r.raw'), 'r+b') as f:
            for at in range(0, 64 << 20, 4096):
                f.seek(at)
                f.write(b'%d' % at)
        shutil.copy(os.path.join(d, 'r.raw'), os.path.join(d, 'same.raw'))
        run(THEIRS, 'create', '-q', '-f', 'qcow2', '-b', 'r.raw', '-F', 'raw', 'o.qcow2', cwd=d)
        run(THEIRS, 'create', '-q', '-f', 'qcow2', '-b', 'r.raw', '-F', 'raw', 'p.qcow2', cwd=d)
        for args, tells in ((('convert', '-q', '-c', '-O', 'qcow2', 'r.raw', 'o'), True), (('compare', '-f', 'raw', 'r.raw', 'same.raw'), False),
                            (('rebase', '-b', '', 'o.qcow2'), False), (('commit', '-d', 'p.qcow2'), False),
                            (('bench', '-c', '20000', '-f', 'raw', 'r.raw'), False)):
            p = subprocess.Popen([OURS, *args], cwd=d, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            sent = 0
            # Until it catches the signal, the signal ends it: that is not what is tested.
            while p.poll() is None:
                with open(f'/proc/{p.pid}/status', encoding='ascii') as f:
                    caught = re.search(r'SigCgt:\s*([0-9a-f]+)', f.read())
                if caught and int(caught[1], 16) >> signal.SIGUSR1 - 1 & 1:
                    p.send_signal(signal.SIGUSR1)
                    sent += 1
                time.sleep(0.002)
            so, se = p.communicate(timeout=60)
            lines = [x for x in se.splitlines() if x]
            if p.returncode or '%' in so or not all(line.match(x) for x in lines) or len(lines) > sent or tells and not (sent and lines):
                problems.append(f'{args}: {sent} signals: ends with {p.returncode}: {so}{se[:300]}')
    report('SIGUSR1: progress is told, and the run goes on', problems)


told_on_signal()


# --- convert: size, -S 0 ---
def asked(d, *args):
    """What their program says of an image, in JSON; nothing where it does not take it."""
    text = run(THEIRS, *args, '--output=json', cwd=d)[1]
    return plain_json(text) if text else []


def size(name):
    """Both programs' images have the same size."""
    def check(a, b):
        out = [dict(asked(d, 'info', name)).get('virtual-size') for d in (a, b)]
        return [] if out[0] == out[1] else [f'{name}: {out[0]} bytes, theirs {out[1]}']
    return check


def allocated(name, fmt):
    """Both programs' images have data at the same places."""
    def check(a, b):
        out = [[(e['start'], e['length'], e['zero'], e['data'])
                for e in asked(d, 'map', '-f', fmt, name)] for d in (a, b)]
        return [] if out[0] == out[1] else [f'{name}: {out[0]}, theirs {out[1]}']
    return check


for fmt in 'raw', 'qcow2':
    for n in '1M', '16M':
        both(f'convert -O {fmt} -o size={n}: the size stays the source\'s', 'convert', '-f', 'raw', '-O', fmt, '-o', f'size={n}', 'r.raw', 'o',
             setup=raw, after=lambda a, b: size('o')(a, b) + equal(a, 'r.raw', 'raw', 'o', fmt))
    both(f'convert -O {fmt} -S 0: all is allocated', 'convert', '-O', fmt, '-S', '0', '-f', 'raw', 'r.raw', 'o', setup=raw,
         after=lambda a, b: allocated('o', fmt)(a, b) + equal(a, 'r.raw', 'raw', 'o', fmt))
both('convert -c -S 0: all is allocated', 'convert', '-c', '-O', 'qcow2', '-S', '0', '-f', 'raw', 'r.raw', 'o', setup=raw,
     after=lambda a, b: allocated('o', 'qcow2')(a, b) + equal(a, 'r.raw', 'raw', 'o', 'qcow2'))
both('convert -S 0 -B: what is below stays below', 'convert', '-O', 'qcow2', '-S', '0', '-B', 'base.qcow2', '-F', 'qcow2', 'top.qcow2', 'o', setup=chain,
     after=lambda a, b: sound(a, 'o') + equal(a, 'top.qcow2', 'qcow2', 'o', 'qcow2'))
for n in '1', '3G', '1T':
    both(f'convert -S {n}', 'convert', '-S', n, '-f', 'raw', 'r.raw', 'o', setup=raw)


# --- convert -l ---
def grown(d):
    """Snapshots of 4 and of 9 MiB, of a disk that has 16 now."""
    snapshots(d)
    for n in '9M', '16M':
        assert run(THEIRS, 'resize', '-f', 'qcow2', 'i.qcow2', n, cwd=d)[0] == 0
        if n == '9M':
            assert run(THEIRS, 'snapshot', '-c', 'grown', 'i.qcow2', cwd=d)[0] == 0
        write(d, 'i.qcow2', int(n[:-1]))


def on_base(d):
    chain(d)
    assert run(THEIRS, 'snapshot', '-c', 'one', 'top.qcow2', cwd=d)[0] == 0
    write(d, 'top.qcow2', 8)
    os.rename(os.path.join(d, 'top.qcow2'), os.path.join(d, 'i.qcow2'))


for name in 'one', 'two words', 'grown', '2', 'snapshot.id=1', 'snapshot.name=two words', 'snapshot.id=3,snapshot.name=grown', 'snapshot.id=1,snapshot.name=grown', \
        'nix', 'snapshot.foo=1', 'snapshot.id=':
    both(f'convert -l {name}', 'convert', '-l', name, '-O', 'raw', 'i.qcow2', 'o', setup=grown,
         after=lambda a, b: size('o')(a, b) + equal(a, 'o', 'raw', os.path.join(b, 'o'), 'raw') if os.path.exists(os.path.join(b, 'o')) else [])
for name, setup, opts in ('compressed', grown, ('-c', '-O', 'qcow2')), ('on a backing file', on_base, ('-O', 'qcow2')):
    both(f'convert -l, {name}', 'convert', '-l', 'one', *opts, 'i.qcow2', 'o', setup=setup,
         after=lambda a, b: sound(a, 'o') + equal(a, 'o', 'qcow2', os.path.join(b, 'o'), 'qcow2'))
both('convert -l of raw', 'convert', '-l', 'one', '-f', 'raw', 'r.raw', 'o', setup=raw)
both('convert -l of two images', 'convert', '-l', 'one', 'i.qcow2', 'i.qcow2', 'o', setup=snapshots)


# --- a base that a guest writes to ---
def base_in_use():
    problems = []
    for hn, holder in [('our emulator', EMULATOR)] + ([('theirs', THEIR_EMULATOR)] if os.access(THEIR_EMULATOR, os.X_OK) else []):
        with tempfile.TemporaryDirectory() as d:
            image()(d)

            def probe():
                code, so, se = run(OURS, 'create', '-f', 'qcow2', '-b', 'i.qcow2', '-F', 'qcow2', 'o.qcow2', cwd=d)
                return [f'{hn} has it open: exit {code}: {so}{se}'] if code else []
            problems += holding(holder, ['-blockdev', 'driver=qcow2,node-name=q,file.driver=file,file.filename=i.qcow2'], d, probe)
            problems += sound(d, 'o.qcow2') if not problems else []
    report('create on an image that a guest writes to', problems)


base_in_use()
# --- convert: -m, -r, -C, --salvage, --bitmaps, --object ---
for args in (['-m', '0'], ['-m', '17'], ['-m', '16'], ['-m', 'x'], ['-r', '1x'], ['-r', '-1'], ['-r', '100M'], ['-C'], ['-C', '-c'], ['-C', '-S', '4k'], ['-C', '--salvage'],
             ['--bitmaps'], ['--skip-broken-bitmaps'], ['--object', 'secret,id=a,data=b'], ['--object', 'secret,id=a'], ['--nix'], ['-Z']):
    both('convert ' + ' '.join(args), 'convert', *args, '-f', 'raw', '-O', 'qcow2', 'r.raw', 'o', setup=raw,
         after=lambda a, b: equal(a, 'r.raw', 'raw', 'o', 'qcow2') if os.path.exists(os.path.join(b, 'o')) else [])
for name, args in (('raw to raw', ['-f', 'raw', '-O', 'raw', 'r.raw']), ('qcow2 to raw', ['-O', 'raw', 'i.qcow2']), ('raw to qcow2', ['-O', 'qcow2', '-o', 'preallocation=metadata', 'r.raw'])):
    both(f'convert -C, {name}', 'convert', '-C', *args, 'o', setup=two, after=lambda a, b: equal(a, 'r.raw', 'raw', 'o', 'qcow2' if 'qcow2' == args[1] else 'raw'))
window = 'json:{"driver": "raw", "offset": 65536, "size": 4194304, "file": {"driver": "file", "filename": "disk.img"}}'
both('convert -C -n into a part of a file', 'convert', '-n', '-C', '-f', 'raw', '-O', 'raw', 'r.raw', window,
     setup=lambda d: (raw(d), raw(d, 'disk.img', 5 << 20, 9)),
     after=lambda a, b: equal(a, window, 'raw', 'r.raw', 'raw') + equal(a, 'disk.img', 'raw', os.path.join(b, 'disk.img'), 'raw'))


def parts(d, sizes):
    for k, n in enumerate(sizes):
        with open(os.path.join(d, f's{k}'), 'wb') as f:
            f.write(random.Random(k).randbytes(n - n // 3 - 1) + b'at the end' * (n // 20) if k % 3 else b'')
            f.truncate(n)


for sizes in ((1 << 20) + 512, 4 << 20), ((1 << 20) + 512, 1536, 512, (4 << 20) - 512), (1024,) * 200:
    for how in ['-c'], ['-c', '-S', '0']:
        both(f'convert {" ".join(how)} of sources that end within clusters, {len(sizes)}, the first {sizes[0]}', 'convert', *how, '-f', 'raw', '-O', 'qcow2',
             *(f's{k}' for k in range(len(sizes))), 'o', setup=lambda d, sizes=sizes: parts(d, sizes),
             after=lambda a, b: sound(a, 'o') + equal(a, 'o', 'qcow2', os.path.join(b, 'o'), 'qcow2'))
both('convert --bitmaps where there are none', 'convert', '--bitmaps', '-O', 'qcow2', 'i.qcow2', 'o', setup=two)
both('convert --bitmaps into raw', 'convert', '--bitmaps', '-O', 'raw', 'i.qcow2', 'o', setup=two)


def offloaded():
    """-C copies from file to file within the kernel."""
    if not shutil.which('strace'):
        return
    with tempfile.TemporaryDirectory() as d:
        raw(d)
        p = subprocess.run(['strace', '-f', '-e', 'trace=copy_file_range', OURS, 'convert', '-C', '-f', 'raw', '-O', 'raw', 'r.raw', 'o'], cwd=d, capture_output=True,
                           text=True, timeout=120)
        done = re.findall(r'copy_file_range\(.*= (\d+)$', p.stderr, re.M)
        if 'ptrace' in p.stderr:
            return
        report('convert -C: the kernel copies', [] if p.returncode == 0 and sum(map(int, done)) else [p.stderr[:500]] + equal(d, 'r.raw', 'raw', 'o', 'raw'))


def bitmaps():
    """Bitmaps that would be lost are a reason to refuse, by the option's name."""
    with tempfile.TemporaryDirectory() as d:
        image()(d)
        run(THEIRS, 'bitmap', '--add', 'i.qcow2', 'b0', cwd=d)
        code, so, se = run(OURS, 'convert', '--bitmaps', '-O', 'qcow2', 'i.qcow2', 'o', cwd=d)
        report('convert --bitmaps of an image that has some', [] if code == 1 and '--bitmaps is not available' in se else [f'{code}: {so}{se}'])


def rate():
    """4 MiB at 4 MiB a second take about one."""
    problems = []
    for setup, args in ((raw, ('convert', '-S', '0', '-r', '4M', '-f', 'raw', '-O', 'raw', 'r.raw', 'o')),):
        with tempfile.TemporaryDirectory() as d:
            setup(d)
            start = time.monotonic()
            code, _, se = run(OURS, *args, cwd=d)
            took = time.monotonic() - start
            problems += [f'{args}: exit {code} after {took:.2f} s: {se}'] if code or took < 0.8 else equal(d, 'r.raw', 'raw', 'o', 'raw')
    report('-r: no faster than that', problems)


offloaded()
bitmaps()
rate()
full = lambda d: open(os.path.join(d, 'r.raw'), 'wb').write(random.Random(7).randbytes(300 << 10))
bad = debug('r.raw', **{'inject-error': [{'event': 'none', 'iotype': 'read', 'sector': s, 'errno': 5} for s in (3, 4, 99)]}).replace('"qcow2"', '"raw"')
for args in (['-O', 'raw'], ['--salvage', '-O', 'raw'], ['-q', '--salvage', '-O', 'qcow2'], ['-c', '--salvage', '-O', 'qcow2']):
    both('a source with bad sectors: convert ' + ' '.join(args), 'convert', *args, bad, 'o', setup=full,
         after=lambda a, b: equal(a, 'o', args[-1], os.path.join(b, 'o'), args[-1]) if '--salvage' in args else [])
for command in (['info'], ['check'], ['map'], ['compare', 'i.qcow2'], ['snapshot', '-l']):
    both(f'{command[0]} --object', command[0], '--object', 'secret,id=a,data=b', *command[1:], 'i.qcow2', setup=image())
    both(f'{command[0]}: an option that is not known', command[0], '--nix', 'i.qcow2', setup=image())
both('info -f without an argument', 'info', '-f')
# --- map, rebase, create, bench ---
for args in (['-s', '1M'], ['-l', '64k'], ['-s1M', '-l', '1M']):
    both('map ' + ' '.join(args), 'map', *args, 'i.qcow2', setup=image())
for args in (['-u'], []):
    both('rebase on a format that is not known' + ' -u' * len(args), 'rebase', *args, '-b', 'r.raw', '-F', 'bogus', 'i.qcow2', setup=overlay,
         after=lambda a, b: equal(a, 'i.qcow2', 'qcow2', 'base.raw', 'raw'))


def zeroes(cluster, size):
    def setup(d):
        """An image whose zeroes no cluster holds, and a base that has data where they are."""
        raw(d)
        if size:
            with open(os.path.join(d, 'short.raw'), 'wb') as f:
                f.write(random.Random(3).randbytes(size))
        args = ('-b', 'short.raw', '-F', 'raw') if size else ()
        assert run(THEIRS, 'create', '-q', '-f', 'qcow2', '-o', f'cluster_size={cluster}', *args, 'i.qcow2', '4M', cwd=d)[0] == 0
        assert run(THEIRS, 'convert', '-O', 'raw', 'i.qcow2', 'before.raw', cwd=d)[0] == 0
    return setup


for cluster in 512, 4096, 65536, 2 << 20:
    for size in 0, 1536, 65536, (1 << 20) + 512:
        both(f'rebase onto data, clusters of {cluster}, a base of {size} before', 'rebase', '-b', 'r.raw', '-F', 'raw', 'i.qcow2', setup=zeroes(cluster, size),
             after=lambda a, b: sound(a, 'i.qcow2') + equal(a, 'i.qcow2', 'qcow2', 'before.raw', 'raw') + equal(b, 'i.qcow2', 'qcow2', 'before.raw', 'raw'))
for args in (['create'], ['convert', '-f', 'raw'], ['info'], ['bench', '-q']):
    with tempfile.TemporaryDirectory() as d:
        got = run(OURS, *args, '--help', cwd=d)
        report(' '.join(args) + ' --help', [] if got[0] == 0 and 'usage: qemu-img' in got[1] else [f'{got}'])
both('create -F without -b', 'create', '-f', 'qcow2', '-F', 'raw', 'x', '1M')
both('create raw -F', 'create', '-F', 'raw', 'x', '1M')
both('create raw -F -b', 'create', '-F', 'raw', '-b', 'r.raw', 'x', '1M', setup=raw)
both('bench --pattern=300', 'bench', '-w', '-f', 'raw', '--pattern=300', 'r.raw', setup=raw)
finish()
