# SPDX-License-Identifier: GPL-2.0-or-later
"""A small RFB client (RFC 6143) for tests: handshake, VNC authentication, raw, copyrect, hextile, zlib, tight and ZRLE rectangles, the
pseudo-encodings that QEMU has, and the stream inside a WebSocket. Everything that comes is checked for its form."""
import base64
import hashlib
import os
import socket
import struct
import time
import zlib

RAW, COPYRECT, HEXTILE, ZLIB, TIGHT, ZRLE = 0, 1, 5, 6, 7, 16
DESKTOP_SIZE, POINTER_TYPE, EXT_KEY, LED_STATE, RICH_CURSOR, EXT_SIZE, XVP = -223, -257, -258, -261, -239, -308, -309
LAST_RECT = -224


def des_key_reversed(password):
    return bytes(int(f"{c:08b}"[::-1], 2) for c in password.encode()[:8].ljust(8, b"\0"))


# DES (FIPS 46-3), for VNC authentication alone.
IP = [58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24, 16, 8,
      57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7]
FP = [IP.index(i + 1) + 1 for i in range(64)]
E_ = [32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18, 19, 20, 21, 20, 21, 22, 23, 24, 25,
      24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1]
P_ = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25]
PC1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
       63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4]
PC2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30, 40, 51, 45,
       33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
SHIFTS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
SBOX = [
    [14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8,
     4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13],
    [15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5,
     0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9],
    [10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1,
     13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12],
    [7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9,
     10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14],
    [2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6,
     4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3],
    [12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8,
     9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13],
    [4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6,
     1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12],
    [13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2,
     7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11]]


def permute(bits, table):
    return [bits[i - 1] for i in table]


def des(block, key):
    bits = lambda data: [int(b) for c in data for b in f"{c:08b}"]
    k = permute(bits(key), PC1)
    c, d = k[:28], k[28:]
    data = permute(bits(block), IP)
    left, right = data[:32], data[32:]
    for n in SHIFTS:
        c, d = c[n:] + c[:n], d[n:] + d[:n]
        x = [a ^ b for a, b in zip(permute(right, E_), permute(c + d, PC2))]
        out = []
        for i in range(8):
            six = x[i * 6:i * 6 + 6]
            v = SBOX[i][(six[0] * 2 + six[5]) * 16 + six[1] * 8 + six[2] * 4 + six[3] * 2 + six[4]]
            out += [int(b) for b in f"{v:04b}"]
        left, right = right, [a ^ b for a, b in zip(left, permute(out, P_))]
    text = "".join(map(str, permute(right + left, FP)))
    return bytes(int(text[i:i + 8], 2) for i in range(0, 64, 8))


class Closed(Exception):
    """The server closed the connection."""


class WebSocket:
    """The stream of a WebSocket, as a socket's sendall and recv."""

    def __init__(self, sock, path="/", host="localhost", headers=""):
        self.sock, self.data, self.pongs = sock, b"", []
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                      f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n{headers}\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            c = sock.recv(1)
            if not c:
                break
            head += c
        self.status = int(head.split(b" ")[1]) if head else 0
        accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.ok = self.status == 101 and b"Sec-WebSocket-Accept: " + accept in head and b"Sec-WebSocket-Protocol: binary" in head

    def frame(self, opcode, data, fin=True):
        mask = os.urandom(4)
        head = bytes([opcode | (0x80 if fin else 0)])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += struct.pack(">BH", 0xfe, len(data))
        else:
            head += struct.pack(">BQ", 0xff, len(data))
        self.sock.sendall(head + mask + bytes(c ^ mask[i & 3] for i, c in enumerate(data)))

    def sendall(self, data):
        self.frame(2, data)

    def exact(self, n):
        out = b""
        while len(out) < n:
            c = self.sock.recv(n - len(out))
            if not c:
                raise Closed
            out += c
        return out

    def recv(self, n):
        while not self.data:
            a, b = self.exact(2)
            if b & 0x80 or a & 0x70 or not a & 0x80:
                raise ValueError("a server's frame must be plain, whole and unmasked")
            size = b if b < 126 else struct.unpack(">H", self.exact(2))[0] if b == 126 else struct.unpack(">Q", self.exact(8))[0]
            data = self.exact(size)
            if a & 15 == 10:
                self.pongs.append(data)
            elif a & 15 == 8:
                return b""
            elif a & 15 == 2:
                self.data += data
            else:
                raise ValueError(f"opcode {a & 15}")
        out, self.data = self.data[:n], self.data[n:]
        return out

    def settimeout(self, t):
        self.sock.settimeout(t)

    def close(self):
        self.sock.close()


class Client:
    def __init__(self, sock, version=b"RFB 003.008\n", password=None, shared=True, timeout=60, bpp=32, tls=None):
        self.sock = sock
        sock.settimeout(timeout)
        self.received = 0
        self.rects = {}
        self.pseudo = []
        self.leds = self.absolute = None
        self.streams = {}
        self.resizes = []
        self.reason = None
        self.cursor = None
        if self.exact(12) != b"RFB 003.008\n":
            raise ValueError("the server's version")
        sock.sendall(version)
        minor = int(version[8:11])
        if minor < 7:
            kind = self.u32()
            if not kind:
                self.fail()
        else:
            n = self.exact(1)[0]
            if not n:
                self.fail()
            kinds = self.exact(n)
            kind = 19 if tls and 19 in kinds else 2 if 2 in kinds else 1
            sock.sendall(bytes([kind]))
        self.vencrypt = None
        if kind == 19:
            kind = self.begin_tls(tls)
            sock = self.sock
        self.kind = kind
        if kind == 2:
            challenge = self.exact(16)
            key = des_key_reversed(password or "")
            sock.sendall(des(challenge[:8], key) + des(challenge[8:], key))
        if (kind == 2 or minor >= 8) and self.u32():
            if minor >= 8:
                self.fail()
            raise PermissionError("refused")
        sock.sendall(bytes([shared]))
        self.width, self.height, fmt, n = struct.unpack(">HH16sI", self.exact(24))
        if fmt[:13] != bytes([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0]):
            raise ValueError(f"pixel format {fmt.hex()}")
        self.name = self.exact(n).decode()
        self.bpp = bpp
        self.new_picture()
        if bpp == 16:
            sock.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 16, 16, 0, 1, 31, 63, 31, 11, 5, 0))

    def begin_tls(self, tls):
        """VeNCrypt 0.2, then TLS by an ssl context; the kind of what comes inside."""
        if self.exact(2) != b"\0\2":
            raise ValueError("VeNCrypt's version")
        self.sock.sendall(b"\0\2")
        if self.exact(1) != b"\0":
            raise PermissionError("the version is refused")
        kinds = struct.unpack(f">{self.exact(1)[0]}I", self.exact(4))
        self.vencrypt = kinds[0]
        self.sock.sendall(struct.pack(">I", kinds[0]))
        if self.exact(1) != b"\1":
            raise PermissionError("the kind is refused")
        self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        return 2 if kinds[0] in (258, 261) else 1

    def fail(self):
        self.reason = self.exact(self.u32()).decode()
        raise PermissionError(self.reason)

    def new_picture(self):
        self.picture = [bytearray(self.width * self.bpp // 8) for _ in range(self.height)]

    def exact(self, n):
        out = bytearray()
        while len(out) < n:
            c = self.sock.recv(min(n - len(out), 1 << 20))
            if not c:
                raise Closed
            out += c
        self.received += n
        return bytes(out)

    def u32(self):
        return struct.unpack(">I", self.exact(4))[0]

    def encodings(self, *list_):
        self.sock.sendall(struct.pack(">BxH", 2, len(list_)) + b"".join(struct.pack(">i", e) for e in list_))

    def request(self, incremental=True, x=0, y=0, w=None, h=None):
        self.sock.sendall(struct.pack(">BBHHHH", 3, incremental, x, y, self.width if w is None else w, self.height if h is None else h))

    def key(self, sym, down):
        self.sock.sendall(struct.pack(">BB2xI", 4, down, sym))

    def type(self, sym):
        self.key(sym, True)
        self.key(sym, False)

    def ext_key(self, sym, code, down):
        self.sock.sendall(struct.pack(">BBHII", 255, 0, down, sym, code))

    def pointer(self, buttons, x, y):
        self.sock.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def put(self, x, y, w, h, data):
        n = w * self.bpp // 8
        if x + w > self.width or y + h > self.height:
            raise ValueError(f"a rectangle {w}x{h}+{x}+{y} outside of {self.width}x{self.height}")
        at = x * self.bpp // 8
        for i in range(h):
            self.picture[y + i][at:at + n] = data[i * n:i * n + n]

    def fill(self, x, y, w, h, pixel):
        self.put(x, y, w, h, pixel * (w * h))

    def inflate(self, name, data):
        return self.streams.setdefault(name, zlib.decompressobj()).decompress(data)

    def hextile(self, x, y, w, h):
        size = self.bpp // 8
        back = fore = bytes(size)
        for ty in range(y, y + h, 16):
            for tx in range(x, x + w, 16):
                tw, th = min(16, x + w - tx), min(16, y + h - ty)
                flags = self.exact(1)[0]
                if flags & 1:
                    self.put(tx, ty, tw, th, self.exact(tw * th * size))
                    continue
                if flags & 2:
                    back = self.exact(size)
                if flags & 4:
                    fore = self.exact(size)
                self.fill(tx, ty, tw, th, back)
                for _ in range(self.exact(1)[0] if flags & 8 else 0):
                    pixel = self.exact(size) if flags & 16 else fore
                    xy, wh = self.exact(2)
                    self.fill(tx + (xy >> 4), ty + (xy & 15), (wh >> 4) + 1, (wh & 15) + 1, pixel)

    def tight_pixels(self, data):
        """Three bytes a pixel, red first, where the format is 32 bits: to this client's."""
        if self.bpp != 32:
            return data
        return b"".join(bytes([data[i + 2], data[i + 1], data[i], 0]) for i in range(0, len(data), 3))

    def compact(self):
        n = 0
        for i in range(3):
            c = self.exact(1)[0]
            n |= (c & (0x7f if i < 2 else 0xff)) << (7 * i)
            if not c & 0x80:
                break
        return n

    def tight(self, x, y, w, h):
        size = 3 if self.bpp == 32 else self.bpp // 8
        control = self.exact(1)[0]
        for i in range(4):
            if control >> i & 1:
                self.streams.pop(("tight", i), None)
        control >>= 4
        if control == 8:
            self.fill(x, y, w, h, self.tight_pixels(self.exact(size)))
            return
        if control == 9:
            self.rects["jpeg"] = self.rects.get("jpeg", 0) + 1
            self.exact(self.compact())
            return
        if control > 9:
            raise ValueError(f"tight control {control}")
        kind = self.exact(1)[0] if control & 4 else 0
        palette = None
        if kind == 1:
            n = self.exact(1)[0] + 1
            raw = self.tight_pixels(self.exact(n * size))
            one = self.bpp // 8
            palette = [raw[i * one:i * one + one] for i in range(n)]
            row = (w + 7) // 8 if n <= 2 else w
        elif kind == 0:
            row = w * size
        else:
            raise ValueError(f"tight filter {kind}")
        total = row * h
        data = self.exact(total) if total < 12 else self.inflate(("tight", control & 3), self.exact(self.compact()))
        if len(data) != total:
            raise ValueError(f"tight: {len(data)} bytes, not {total}")
        if palette is None:
            self.put(x, y, w, h, self.tight_pixels(data))
        elif len(palette) <= 2:
            self.put(x, y, w, h, b"".join(palette[data[j * row + i // 8] >> (7 - i % 8) & 1] for j in range(h) for i in range(w)))
        else:
            self.put(x, y, w, h, b"".join(palette[c] for c in data))

    def zrle(self, x, y, w, h):
        data = self.inflate("zrle", self.exact(self.u32()))
        at, size = 0, 3 if self.bpp == 32 else self.bpp // 8
        pad = b"\0" if self.bpp == 32 else b""
        for ty in range(y, y + h, 64):
            for tx in range(x, x + w, 64):
                tw, th = min(64, x + w - tx), min(64, y + h - ty)
                kind = data[at]
                at += 1
                n = kind & 0x7f
                palette = [data[at + i * size:at + i * size + size] + pad for i in range(n if n > 1 or kind == 1 else 0)]
                at += len(palette) * size
                count, out = tw * th, []
                if kind == 0:
                    out = [data[at + i * size:at + i * size + size] + pad for i in range(count)]
                    at += count * size
                elif kind == 1:
                    out = palette * count
                elif kind < 128:
                    bits = 1 if n == 2 else 2 if n <= 4 else 4
                    row = (tw * bits + 7) // 8
                    for j in range(th):
                        for i in range(tw):
                            out.append(palette[data[at + j * row + i * bits // 8] >> (8 - bits - i * bits % 8) & ((1 << bits) - 1)])
                    at += row * th
                else:
                    while len(out) < count:
                        run = 1
                        if kind == 128:
                            pixel = data[at:at + size] + pad
                            at += size
                            repeated = True
                        else:
                            index = data[at]
                            at += 1
                            pixel, repeated = palette[index & 0x7f], index & 0x80
                        while repeated:
                            run += data[at]
                            at += 1
                            if data[at - 1] != 255:
                                break
                        out += [pixel] * run
                if len(out) != count:
                    raise ValueError("zrle: a run beyond its tile")
                self.put(tx, ty, tw, th, b"".join(out))
        if at != len(data):
            raise ValueError(f"zrle: {len(data) - at} bytes too many")

    def update(self):
        """The next message; True where it was an update with pixels."""
        kind = self.exact(1)[0]
        if kind == 2:
            return False
        if kind == 3:
            self.exact(3)
            self.exact(self.u32())
            return False
        if kind == 250:
            self.pseudo.append((XVP, *self.exact(3)[1:]))
            return False
        if kind != 0:
            raise ValueError(f"message {kind}")
        n = struct.unpack(">xH", self.exact(3))[0]
        pixels = False
        while n:
            x, y, w, h, e = struct.unpack(">HHHHi", self.exact(12))
            n -= n != 0xffff
            self.rects[e] = self.rects.get(e, 0) + 1
            if e == RAW:
                self.put(x, y, w, h, self.exact(w * h * self.bpp // 8))
            elif e == COPYRECT:
                sx, sy = struct.unpack(">HH", self.exact(4))
                a, b = sx * self.bpp // 8, (sx + w) * self.bpp // 8
                self.put(x, y, w, h, b"".join(bytes(self.picture[sy + i][a:b]) for i in range(h)))
            elif e == HEXTILE:
                self.hextile(x, y, w, h)
            elif e == ZLIB:
                self.put(x, y, w, h, self.inflate("zlib", self.exact(self.u32())))
            elif e == TIGHT:
                self.tight(x, y, w, h)
            elif e == ZRLE:
                self.zrle(x, y, w, h)
            elif e == LAST_RECT:
                break
            elif e in (DESKTOP_SIZE, EXT_SIZE):
                if e == EXT_SIZE:
                    self.exact(16 * self.exact(4)[0])
                self.resizes.append((w, h))
                if (w, h) != (self.width, self.height):
                    self.width, self.height = w, h
                    self.new_picture()
                continue
            elif e == LED_STATE:
                self.leds = self.exact(1)[0]
            elif e == POINTER_TYPE:
                self.absolute = bool(x)
            elif e == EXT_KEY:
                pass
            elif e == RICH_CURSOR:
                self.cursor = (w, h, self.exact(w * h * self.bpp // 8 + (w + 7) // 8 * h))
            else:
                raise ValueError(f"encoding {e}")
            if e >= 0:
                pixels = True
            else:
                self.pseudo.append((e, x, y, w, h))
        return pixels

    def wait(self, done, seconds=60, incremental=True):
        """Ask for updates until done() or the time is over."""
        end = time.monotonic() + seconds
        self.request(incremental)
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            try:
                if self.update() or self.resizes:
                    self.request(True)
            except (socket.timeout, TimeoutError):
                return done()
        return True

    def rgb(self):
        """The picture as a PPM's pixels."""
        if self.bpp == 32:
            return b"".join(bytes(v for i in range(0, len(r), 4) for v in (r[i + 2], r[i + 1], r[i])) for r in self.picture)
        raise ValueError("32 bits a pixel only")

    def close(self):
        self.sock.close()
