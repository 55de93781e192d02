# SPDX-License-Identifier: GPL-2.0-or-later
"""What Python programs do most: attribute and dictionary look-ups, calls, integers, strings, lists. loop.py AMOUNT"""
import sys


class Item:
    def __init__(self, n):
        self.n, self.name = n, f'item {n % 97}'

    def weight(self):
        return self.n * 31 % 1009


def main(amount):
    counts, total, seed = {}, 0.0, 1
    for _ in range(amount):
        seed = (seed * 1103515245 + 12345) % 2147483648
        item = Item(seed >> 8)
        counts[item.name] = counts.get(item.name, 0) + item.weight()
        total += 1.0 / (1 + item.weight())
        if seed % 64 == 0:
            total += sum(v for v in sorted(counts.values())[:20]) % 7
    print(sum(counts.values()), ','.join(sorted(counts))[:60], f'{total:.6f}')


main(int(sys.argv[1]))
