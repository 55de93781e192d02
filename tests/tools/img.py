#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img beside Debian's: the same commands on the same images print the same, end alike and leave images that the other
one finds sound and equal; each program respects the other's locks. What 8.2 has and 7.2 has not is taken out first, by name.

Usage: img.py QEMU-IMG EMULATOR"""
from imgtest import *

# --- create ---
for opts in ([], ['-o', 'cluster_size=512'], ['-o', 'compat=0.10'], ['-o', 'lazy_refcounts=on,refcount_bits=1'],
             ['-o', 'preallocation=metadata'], ['-o', 'compression_type=zstd,cluster_size=2M']):
    both('create ' + ' '.join(opts), 'create', '-f', 'qcow2', *opts, 'x.qcow2', '8M',
         after=lambda a, b: sound(a, 'x.qcow2') + equal(a, 'x.qcow2', 'qcow2', os.path.join(b, 'x.qcow2'), 'qcow2'))
both('create raw', 'create', 'x.raw', '1.5M')
both('create on a backing file', 'create', '-f', 'qcow2', '-b', 'r.raw', '-F', 'raw', 'x.qcow2', setup=raw,
     after=lambda a, b: sound(a, 'x.qcow2') + equal(a, 'x.qcow2', 'qcow2', 'r.raw', 'raw'))
both('create without a size', 'create', '-f', 'qcow2', 'x.qcow2')
both('create without the backing format', 'create', '-f', 'qcow2', '-b', 'r.raw', 'x.qcow2', setup=raw)
both('create of an unknown format', 'create', '-f', 'nix', 'x', '1M')
both('create with an unknown option', 'create', '-f', 'qcow2', '-o', 'nix=1', 'x', '1M')
both('no file', 'create')
# --- info ---
for name, setup in (('qcow2', image()), ('v2', image('-o', 'compat=0.10')), ('zstd', image('-c', '-o', 'compression_type=zstd')),
                    ('snapshots', snapshots)):
    both(f'info {name}', 'info', 'i.qcow2', setup=setup)
    both(f'info {name}, JSON', 'info', '--output=json', 'i.qcow2', setup=setup, is_json=True)
both('info of a chain', 'info', '--backing-chain', 'top.qcow2', setup=chain)
both('info of a chain, JSON', 'info', '--backing-chain', '--output=json', 'top.qcow2', setup=chain, is_json=True)
both('info raw', 'info', 'r.raw', setup=raw)
both('info of nothing', 'info', 'nix.qcow2')
# --- check ---
both('check', 'check', 'i.qcow2', setup=image())
both('check, JSON', 'check', '--output=json', 'i.qcow2', setup=image('-c'), is_json=True)
both('check raw', 'check', '-f', 'raw', 'r.raw', setup=raw)
both('check: a leak', 'check', 'i.qcow2', setup=poked(0x20000 + 2 * 30, b'\0\1'))
both('check: a leak, JSON', 'check', '--output=json', 'i.qcow2', setup=poked(0x20000 + 2 * 30, b'\0\1'), is_json=True)
both('check -r leaks', 'check', '-r', 'leaks', 'i.qcow2', setup=poked(0x20000 + 2 * 30, b'\0\1'), after=lambda a, b: sound(a, 'i.qcow2'))
both('check: a count too low', 'check', 'i.qcow2', setup=poked(0x20000 + 2 * 6, b'\0\0'), stderr=False)
both('check -r all', 'check', '-q', '-r', 'all', 'i.qcow2', setup=poked(0x20000 + 2 * 6, b'\0\0'), stderr=False,
     after=lambda a, b: sound(a, 'i.qcow2') + equal(a, 'i.qcow2', 'qcow2', 'r.raw', 'raw'))
# --- map ---
for name, setup in (('qcow2', image()), ('compressed', image('-c')), ('prealloc', image('-o', 'preallocation=metadata'))):
    both(f'map {name}, JSON', 'map', '--output=json', 'i.qcow2', setup=setup, is_json=True)
both('map', 'map', 'i.qcow2', setup=image())
both('map of a chain', 'map', 'top.qcow2', setup=chain)
both('map of a chain, JSON', 'map', '--output=json', 'top.qcow2', setup=chain, is_json=True)
# --- convert ---
for args in (['-O', 'qcow2'], ['-O', 'raw'], ['-c', '-O', 'qcow2'], ['-c', '-O', 'qcow2', '-o', 'compression_type=zstd'],
             ['-O', 'qcow2', '-o', 'cluster_size=4k,preallocation=full'], ['-O', 'qcow2', '-S', '0', '-o', 'compat=0.10'],
             ['-O', 'qcow2', '-o', 'refcount_bits=64,cluster_size=512'], ['-p', '-n', '-O', 'raw']):
    fmt = 'raw' if 'raw' in args else 'qcow2'

    def setup_convert(d):
        chain(d)
        raw(d, 'out', seed=9)
    both('convert ' + ' '.join(args), 'convert', *args, 'top.qcow2', 'out', setup=setup_convert, stderr=False,
         after=lambda a, b: (sound(a, 'out') if fmt == 'qcow2' else []) + equal(a, 'out', fmt, 'top.qcow2', 'qcow2') +
         equal(a, 'out', fmt, os.path.join(b, 'out'), fmt)) if '-p' not in args else \
        both('convert ' + ' '.join(args), 'convert', *[x for x in args if x != '-p'], 'top.qcow2', 'out', setup=setup_convert,
             after=lambda a, b: equal(a, 'out', 'raw', 'top.qcow2', 'qcow2'))
both('convert -B', 'convert', '-O', 'qcow2', '-B', 'base.qcow2', '-F', 'qcow2', 'top.qcow2', 'out', setup=chain,
     after=lambda a, b: sound(a, 'out') + equal(a, 'out', 'qcow2', 'top.qcow2', 'qcow2'))
both('convert two images into one', 'convert', '-f', 'raw', '-O', 'raw', 'r.raw', 'other.raw', 'out', setup=two,
     after=lambda a, b: equal(a, 'out', 'raw', os.path.join(b, 'out'), 'raw'))
# --- compare ---
both('compare, equal', 'compare', '-f', 'raw', '-F', 'qcow2', 'r.raw', 'i.qcow2', setup=two)
both('compare, different', 'compare', '-f', 'raw', '-F', 'raw', 'r.raw', 'other.raw', setup=two)
both('compare, longer', 'compare', '-f', 'raw', '-F', 'raw', 'r.raw', 'long.raw', setup=two)
both('compare -s', 'compare', '-s', '-f', 'raw', '-F', 'raw', 'r.raw', 'long.raw', setup=two)
both('compare with nothing', 'compare', 'r.raw', 'nix', setup=two)
# --- resize ---
both('resize +', 'resize', '-f', 'qcow2', 'i.qcow2', '+3M', setup=image(),
     after=lambda a, b: sound(a, 'i.qcow2') + equal(a, 'i.qcow2', 'qcow2', os.path.join(b, 'i.qcow2'), 'qcow2'))
both('resize without --shrink', 'resize', '-f', 'qcow2', 'i.qcow2', '1M', setup=image())
both('resize --shrink', 'resize', '--shrink', '-f', 'qcow2', 'i.qcow2', '1M', setup=image(),
     after=lambda a, b: sound(a, 'i.qcow2') + equal(a, 'i.qcow2', 'qcow2', os.path.join(b, 'i.qcow2'), 'qcow2'))
for mode in 'metadata', 'falloc', 'full':
    both(f'resize --preallocation={mode} of an overlay', 'resize', f'--preallocation={mode}', '-f', 'qcow2', 'i.qcow2', '+3M', setup=cut_overlay,
         after=lambda a, b: sound(a, 'i.qcow2') + equal(a, 'i.qcow2', 'qcow2', os.path.join(b, 'i.qcow2'), 'qcow2'))
both('resize raw', 'resize', '-f', 'raw', 'r.raw', '5M', setup=raw)
# --- snapshot ---
same = lambda a, b: sound(a, 'i.qcow2') + equal(a, 'i.qcow2', 'qcow2', os.path.join(b, 'i.qcow2'), 'qcow2')
both('snapshot -l', 'snapshot', '-l', 'i.qcow2', setup=snapshots)
both('snapshot -c', 'snapshot', '-c', 'new', 'i.qcow2', setup=snapshots, after=same)
both('snapshot -a', 'snapshot', '-a', 'one', 'i.qcow2', setup=snapshots, after=same)
both('snapshot -d', 'snapshot', '-d', 'two words', 'i.qcow2', setup=snapshots, after=same)
both('snapshot -d of nothing', 'snapshot', '-d', 'nix', 'i.qcow2', setup=snapshots, stderr=False)
# --- commit, rebase ---


def small(d):
    assert run(THEIRS, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512,refcount_bits=64', 'i.qcow2', '16M', cwd=d)[0] == 0


def empty(d):
    assert run(THEIRS, 'create', '-q', '-f', 'qcow2', 'i.qcow2', '16M', cwd=d)[0] == 0


def shared(d):
    empty(d)
    assert run(THEIRS, 'bench', '-w', '-c', '1', '-s', '65536', '-f', 'qcow2', 'i.qcow2', cwd=d)[0] == 0
    assert run(THEIRS, 'snapshot', '-c', 'one', 'i.qcow2', cwd=d)[0] == 0


def injected():
    """A failure after an event fails the same command under either program, and leaves an image that is sound."""
    write_64k, write_part, much = ('bench', '-w', '-c', '1', '-s', '65536'), ('bench', '-w', '-c', '1', '-s', '512', '-o', '1024'), \
        ('bench', '-w', '-c', '4', '-s', '2097152')
    cases = [(e, empty, write_64k) for e in ('none', 'l1_update', 'l2_update', 'l2_alloc_write', 'refblock_load', 'write_aio')]
    cases += [(e, overlay, write_part) for e in ('read_backing_aio', 'cow_read', 'cow_write')]
    cases += [(e, small, much) for e in ('reftable_load', 'reftable_grow')]
    cases += [(e, shared, write_64k) for e in ('l2_load', 'l2_alloc_cow_read')]
    cases += [(e, small, ('resize', '@', '64M')) for e in ('l1_grow_alloc_table', 'l1_grow_write_table', 'l1_grow_activate_table')]
    problems = []
    for event, setup, command in cases:
        codes = []
        with tempfile.TemporaryDirectory() as d:
            for binary in (OURS, THEIRS):
                setup(d)
                name = debug('i.qcow2', **{'inject-error': [{'event': event, 'errno': 28}]})
                args = [name if a == '@' else a for a in command] + ([] if '@' in command else [name])
                codes.append(run(binary, *args, cwd=d)[0])
                problems += sound(d, 'i.qcow2', (0, 3))
        if codes != [1, 1]:
            problems.append(f'{event}: {" ".join(command)} ends with {codes[0]}, theirs {codes[1]}')
    report('failures after an event', problems)


def limited():
    """Images that were written through a layer with limits are those that were written without."""
    problems = []
    for opts in ({'align': 4096}, {'align': 4096, 'max-transfer': 8192}, {'opt-write-zero': 65536, 'max-write-zero': 131072},
                 {'align': 512, 'opt-discard': 65536, 'max-discard': 131072, 'max-transfer': 65536}):
        for binary in (OURS, THEIRS):
            with tempfile.TemporaryDirectory() as d:
                raw(d)
                name = 'json:' + json.dumps({'driver': 'raw', 'file': {'driver': 'blkdebug', 'image': {'driver': 'file', 'filename': 'r.raw'}, **opts}})
                code, _, se = run(binary, 'convert', '-O', 'qcow2', name, 'o.qcow2', cwd=d)
                problems += [f'{opts}: convert: {se}'] if code else equal(d, 'r.raw', 'raw', 'o.qcow2', 'qcow2') + sound(d, 'o.qcow2')
                o = 'json:' + json.dumps({'driver': 'qcow2', 'file': {'driver': 'blkdebug', 'image': {'driver': 'file', 'filename': 'p.qcow2'}, **opts}})
                run(binary, 'create', '-f', 'qcow2', 'p.qcow2', str(os.path.getsize(os.path.join(d, 'r.raw'))), cwd=d)
                code, _, se = run(binary, 'convert', '-n', '-f', 'raw', '-O', 'qcow2', 'r.raw', o, cwd=d)
                problems += [f'{opts}: convert -n: {se}'] if code else equal(d, 'r.raw', 'raw', 'p.qcow2', 'qcow2') + sound(d, 'p.qcow2')
    report('limits of blkdebug', problems)


def aligned_beside_each_other():
    """Small writes, many at a time, through blocks of 4 KiB at the end of a file that grows."""
    problems, sectors = [], 4096
    for _ in range(3):
        with tempfile.TemporaryDirectory() as d:
            run(OURS, 'create', '-f', 'qcow2', '-o', 'cluster_size=512', 'i.qcow2', '8M', cwd=d)
            name = 'json:' + json.dumps({'driver': 'qcow2', 'file': {'driver': 'blkdebug', 'align': 4096, 'image': {'driver': 'file', 'filename': 'i.qcow2'}}})
            code, _, se = run(OURS, 'bench', '-w', '-c', str(sectors), '-s', '512', '-S', '512', '-d', '16', '--pattern=90', '-t', 'writeback', name, cwd=d)
            if code:
                problems.append(f'bench: {se}')
            run(THEIRS, 'convert', '-f', 'qcow2', '-O', 'raw', 'i.qcow2', 'o.raw', cwd=d)
            with open(os.path.join(d, 'o.raw'), 'rb') as f:
                got = f.read(sectors * 512)
            wrong = [n for n in range(sectors) if got[n * 512:(n + 1) * 512] != b'\x5a' * 512]
            problems += [f'{len(wrong)} sectors are not what was written, the first {wrong[0]}'] if wrong else []
            problems += sound(d, 'i.qcow2')
    report('small writes beside each other through blkdebug\'s align', problems)


injected()
limited()
aligned_beside_each_other()
both('limits that do not fit', 'info', debug('i.qcow2', **{'align': 4096, 'max-transfer': 512}), setup=empty)
both('an event that is not known', 'info', debug('i.qcow2', **{'inject-error': [{'event': 'foo'}]}), setup=empty)
both('a configuration file', 'info', '-f', 'qcow2', 'blkdebug:conf:i.qcow2', setup=lambda d: (
    empty(d), open(os.path.join(d, 'conf'), 'w', encoding='ascii').write('[inject-error]\nevent = "reftable_load"\nerrno = "28"\n')))
both('commit', 'commit', 'top.qcow2', setup=chain, after=lambda a, b: sound(a, 'base.qcow2') + sound(a, 'top.qcow2') +
     equal(a, 'base.qcow2', 'qcow2', os.path.join(b, 'base.qcow2'), 'qcow2') + equal(a, 'base.qcow2', 'qcow2', 'top.qcow2', 'qcow2'))
both('rebase', 'rebase', '-b', '', 'top.qcow2', setup=chain, after=lambda a, b: sound(a, 'top.qcow2') +
     equal(a, 'top.qcow2', 'qcow2', os.path.join(b, 'top.qcow2'), 'qcow2'))
both('rebase -u', 'rebase', '-u', '-b', 'r.raw', '-F', 'raw', 'top.qcow2', setup=chain, after=lambda a, b: sound(a, 'top.qcow2') +
     equal(a, 'top.qcow2', 'qcow2', os.path.join(b, 'top.qcow2'), 'qcow2'))


# --- locks ---
def lock_test(name, holder, other, args, write, fails):
    problems = []
    with tempfile.TemporaryDirectory() as d:
        image()(d)

        def probe():
            code, so, se = run(other, *(['snapshot', '-c', 'x'] if write else ['check']), 'i.qcow2', cwd=d)
            refused = code != 0 and 'lock' in se
            return [] if refused == fails else [f'exit {code}: {so}{se}']
        problems = holding(holder, args, d, probe)
    report(name, problems)


drive = ['-blockdev', 'driver=qcow2,node-name=q,file.driver=file,file.filename=i.qcow2']
emulators = [('ours', EMULATOR, 'theirs', THEIRS)]
if os.access(THEIR_EMULATOR, os.X_OK):
    emulators += [('theirs', THEIR_EMULATOR, 'ours', OURS)]
for hn, holder, on, other in emulators:
    lock_test(f'{hn} writes, {on} may not', holder, other, drive, True, True)
    lock_test(f'{hn} writes, {on} may not read', holder, other, drive, False, True)
    lock_test(f'{hn} reads, {on} reads', holder, other, [drive[0], drive[1] + ',read-only=on'], False, False)
    lock_test(f'{hn} reads, {on} may not write', holder, other, [drive[0], drive[1] + ',read-only=on'], True, True)
    lock_test(f'{hn} does not lock', holder, other, [drive[0], drive[1] + ',file.locking=off'], True, False)

finish()
