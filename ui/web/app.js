// SPDX-License-Identifier: GPL-2.0-or-later
// The page of -display web: the screen by noVNC, each text console by a small terminal.
import RFB from './novnc/core/rfb.js';

const server = (location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host;
const tabs = document.getElementById('tabs'), views = document.getElementById('views'), status = document.getElementById('status');
let rfb = null;

function say(text) {
    status.textContent = text;
    document.body.dataset.status = text;
}

function connect() {
    const screen = document.getElementById('screen');
    screen.textContent = '';
    rfb = new RFB(screen, server + '/ws/vnc', { shared: true, wsProtocols: ['binary'] });
    rfb.scaleViewport = true;
    rfb.addEventListener('connect', () => say('connected'));
    rfb.addEventListener('disconnect', () => {
        say('disconnected');
        setTimeout(connect, 2000);
    });
}

// What a serial console needs of a VT100: cursor movement, erasure; colours are dropped.
class Terminal {
    constructor(pre, path) {
        this.pre = pre;
        this.lines = [''];
        this.row = this.column = 0;
        this.state = '';
        this.top = 0; // of the 24 lines that cursor addresses count from
        this.decoder = new TextDecoder();
        this.path = path;
        pre.tabIndex = 0;
        pre.addEventListener('keydown', (e) => this.key(e));
        pre.addEventListener('paste', (e) => this.send(e.clipboardData.getData('text')));
        this.open();
    }

    open() {
        this.ws = new WebSocket(server + this.path, ['binary']);
        this.ws.binaryType = 'arraybuffer';
        this.ws.onopen = () => { this.lines = ['']; this.row = this.column = this.top = 0; };
        this.ws.onmessage = (e) => {
            for (const c of this.decoder.decode(e.data, { stream: true }))
                this.put(c);
            this.show();
        };
        this.ws.onclose = () => setTimeout(() => this.open(), 2000);
    }

    send(text) {
        if (this.ws.readyState === WebSocket.OPEN)
            this.ws.send(new TextEncoder().encode(text));
    }

    key(e) {
        const names = { Enter: '\r', Backspace: '\x7f', Tab: '\t', Escape: '\x1b', ArrowUp: '\x1b[A', ArrowDown: '\x1b[B', ArrowRight: '\x1b[C',
            ArrowLeft: '\x1b[D', Home: '\x1b[H', End: '\x1b[F', Delete: '\x1b[3~', PageUp: '\x1b[5~', PageDown: '\x1b[6~' };
        let text = names[e.key];
        if (!text && e.key.length === 1 && e.ctrlKey && /[a-z@[\\\]^_]/i.test(e.key))
            text = String.fromCharCode(e.key.toUpperCase().charCodeAt(0) & 31);
        else if (!text && e.key.length === 1 && !e.ctrlKey && !e.metaKey)
            text = e.key;
        if (!text)
            return;
        e.preventDefault();
        this.send(text);
    }

    put(c) {
        if (this.state) {
            this.state += c;
            if (this.state[1] !== '[')
                this.state = '';
            else if (this.state.length > 2 && c >= '@' && c <= '~') {
                this.csi(this.state.slice(2, -1), c);
                this.state = '';
            } else if (this.state.length > 40)
                this.state = '';
            return;
        }
        switch (c) {
        case '\x1b': this.state = c; break;
        case '\r': this.column = 0; break;
        case '\n': this.row++; break;
        case '\b': this.column = Math.max(0, this.column - 1); break;
        case '\t': this.column = (this.column & ~7) + 8; break;
        default:
            if (c < ' ')
                break;
            this.reach();
            const line = this.lines[this.row].padEnd(this.column);
            this.lines[this.row] = line.slice(0, this.column) + c + line.slice(this.column + 1);
            this.column = Math.min(this.column + 1, 500);
        }
        this.reach();
    }

    reach() {
        while (this.lines.length <= this.row)
            this.lines.push('');
        if (this.lines.length > 2000) {
            this.row -= this.lines.length - 2000;
            this.lines = this.lines.slice(-2000);
        }
        this.top = Math.max(this.top, this.row - 23);
        this.top = Math.min(this.top, this.lines.length - 1);
    }

    csi(args, c) {
        const n = args.split(';').map((x) => Math.min(Number.parseInt(x, 10) || 0, 500)), one = n[0] || 1;
        switch (c) {
        case 'A': this.row = Math.max(this.top, this.row - one); break;
        case 'B': this.row = Math.min(this.top + 23, this.row + one); break;
        case 'C': this.column += one; break;
        case 'D': this.column = Math.max(0, this.column - one); break;
        case 'G': this.column = one - 1; break;
        case 'H':
        case 'f': this.row = this.top + Math.min(24, one) - 1; this.column = (n[1] || 1) - 1; break;
        case 'J':
            if (n[0] >= 2)
                this.lines.length = this.top;
            else if (n[0] === 0) {
                this.lines.length = Math.min(this.lines.length, this.row + 1);
                this.csi('0', 'K');
            }
            break;
        case 'K':
            this.reach();
            if (n[0] === 0)
                this.lines[this.row] = this.lines[this.row].slice(0, this.column);
            else if (n[0] === 2)
                this.lines[this.row] = '';
            break;
        }
        this.reach();
    }

    show() {
        const text = this.lines.slice();
        const line = text[this.row].padEnd(this.column + 1);
        const cursor = document.createElement('span');
        cursor.className = 'cursor';
        cursor.textContent = line[this.column];
        const before = text.slice(0, this.row).concat(line.slice(0, this.column)).join('\n');
        const after = [line.slice(this.column + 1)].concat(text.slice(this.row + 1)).join('\n');
        this.pre.replaceChildren(before, cursor, after);
        this.pre.scrollTop = this.pre.scrollHeight;
    }
}

function tab(name, view) {
    const button = document.createElement('button');
    button.textContent = name;
    button.onclick = () => {
        for (const v of views.children)
            v.hidden = v !== view;
        for (const b of tabs.querySelectorAll('button'))
            b.classList.toggle('active', b === button);
        (view.id === 'screen' ? rfb : view).focus();
    };
    tabs.insertBefore(button, document.getElementById('cad'));
    return button;
}

async function start() {
    tab('screen', document.getElementById('screen')).classList.add('active');
    document.getElementById('cad').onclick = () => rfb.sendCtrlAltDel();
    connect();
    const consoles = await (await fetch('consoles')).json();
    consoles.forEach((name, i) => {
        const pre = document.createElement('pre');
        pre.className = 'view';
        pre.hidden = true;
        views.append(pre);
        new Terminal(pre, '/ws/console/' + i);
        tab(name, pre);
    });
}

start();
