# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium without a window, driven by its DevTools protocol over a pair of pipes: JSON texts, each ended by a zero."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from serialguest import GuestError

PROGRAM = 'chromium'
# What a US keyboard has on its caps beside letters and digits: the key's code, without and with shift.
CAPS = {'Minus': '-_', 'Equal': '=+', 'BracketLeft': '[{', 'BracketRight': ']}', 'Backslash': '\\|', 'Semicolon': ';:', 'Quote': '\'"',
        'Backquote': '`~', 'Comma': ',<', 'Period': '.>', 'Slash': '/?', 'Space': '  '}
SHIFTED_DIGITS = ')!@#$%^&*('


def key_of(c):
    """(code, shift) of the key that gives a character."""
    if c == '\n':
        return 'Enter', False
    if c.isalpha():
        return f'Key{c.upper()}', c.isupper()
    if c.isdigit():
        return f'Digit{c}', False
    if c in SHIFTED_DIGITS:
        return f'Digit{SHIFTED_DIGITS.index(c)}', True
    return next((code, c == caps[1] != caps[0]) for code, caps in CAPS.items() if c in caps)


class Chromium:
    """with Chromium() as page: page.open(url) ..."""

    def __init__(self, width=1400, height=1000, patience=60):
        self.patience = patience
        self.folder = tempfile.mkdtemp(prefix='chromium-')
        low_in, self.out = os.pipe()
        self.into, low_out = os.pipe()
        theirs_in, theirs_out = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (low_in, low_out))
        self.data, self.n, self.session = b'', 0, None
        args = [PROGRAM, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
                '--disable-background-networking', '--disable-component-update', '--disable-sync', '--mute-audio', '--hide-scrollbars',
                f'--user-data-dir={self.folder}', f'--window-size={width},{height}', '--remote-debugging-pipe', 'about:blank']
        # The browser reads descriptor 3 and writes 4.
        with open(os.path.join(self.folder, 'stderr'), 'wb') as err:
            self.process = subprocess.Popen(['bash', '-c', f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', 'bash', *args],
                                            stdin=subprocess.DEVNULL, stdout=err, stderr=err, pass_fds=(theirs_in, theirs_out),
                                            env={**os.environ, 'HOME': self.folder}, start_new_session=True)
        for fd in (low_in, low_out, theirs_in, theirs_out):
            os.close(fd)
        try:
            target = next(t for t in self.ask('Target.getTargets')['targetInfos'] if t['type'] == 'page')
            self.session = self.ask('Target.attachToTarget', targetId=target['targetId'], flatten=True)['sessionId']
            self.ask('Page.enable')
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, 9)
            except ProcessLookupError:
                pass
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        shutil.rmtree(self.folder, ignore_errors=True)

    def message(self, end):
        while b'\0' not in self.data:
            left = end - time.monotonic()
            got = os.read(self.into, 1 << 20) if left > 0 and select.select([self.into], [], [], left)[0] else None
            if not got:
                with open(os.path.join(self.folder, 'stderr'), encoding='utf-8', errors='replace') as f:
                    words = f.read()[-400:]
                raise GuestError(f'the browser {"is gone" if got is not None else "does not answer"}: {words}')
            self.data += got
        text, _, self.data = self.data.partition(b'\0')
        return json.loads(text)

    def ask(self, method, **params):
        self.n += 1
        text = json.dumps({'id': self.n, 'method': method, 'params': params, **({'sessionId': self.session} if self.session else {})}).encode() + b'\0'
        try:
            while text:
                text = text[os.write(self.out, text):]
        except BrokenPipeError:
            pass  # what it said at its end comes below
        end = time.monotonic() + self.patience
        while True:
            m = self.message(end)
            if m.get('id') == self.n:
                if 'error' in m:
                    raise GuestError(f'{method}: {m["error"]}')
                return m['result']

    def open(self, url):
        said = self.ask('Page.navigate', url=url)
        if 'errorText' in said:
            raise GuestError(f'{url}: {said["errorText"]}')

    def js(self, text):
        """The value of an expression; of a promise what it is kept with."""
        said = self.ask('Runtime.evaluate', expression=text, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in said:
            raise GuestError(f'{text}: {said["exceptionDetails"]}')
        return said['result'].get('value')

    def wait(self, text, what, limit):
        """Until an expression is true."""
        end = time.monotonic() + limit
        while not (value := self.js(text)):
            if time.monotonic() > end:
                raise GuestError(f'{what}: not within {limit} s')
            time.sleep(0.2)
        return value

    def click(self, selector):
        box = self.js(f'(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();'
                      ' return [r.x + r.width / 2, r.y + r.height / 2]; })()')
        for kind in ('mouseMoved', 'mousePressed', 'mouseReleased'):
            self.ask('Input.dispatchMouseEvent', type=kind, x=box[0], y=box[1], button='none' if kind == 'mouseMoved' else 'left', clickCount=1)

    def key(self, kind, key, code, text='', shift=False):
        self.ask('Input.dispatchKeyEvent', type=kind, key=key, code=code, text=text, unmodifiedText=text, modifiers=8 if shift else 0,
                 windowsVirtualKeyCode={'Enter': 13, 'Shift': 16}.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0))

    def type(self, text):
        for c in text:
            code, shift = key_of(c)
            key, typed = ('Enter', '\r') if c == '\n' else (c, c)
            if shift:
                self.key('rawKeyDown', 'Shift', 'ShiftLeft', shift=True)
            self.key('keyDown', key, code, typed, shift)
            self.key('keyUp', key, code, shift=shift)
            if shift:
                self.key('keyUp', 'Shift', 'ShiftLeft')

    def screenshot(self, path):
        with open(path, 'wb') as f:
            f.write(base64.b64decode(self.ask('Page.captureScreenshot', format='png')['data']))
