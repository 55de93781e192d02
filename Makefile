# SPDX-License-Identifier: GPL-2.0-or-later
# make            build (installs the packages that a build needs and the machine lacks)
# make run        boot Debian's kernel to a shell (GRUB's rescue CD where only a KVM that runs in software is there)
# make check      everything that tests this tree, in about ten minutes; check-long takes longer
# make bench      how long things take, beside Debian's QEMU: a start, an exit, guest work on one and two CPUs, a whole machine (an hour and a half); BENCH=--quick is shorter
# make install    DESTDIR and PREFIX as usual
BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all run check check-long bench install clean deps-build deps-run deps-check deps-check-long
.NOTPARALLEL:

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja: | deps-build
	./configure --build=$(BUILD) --prefix=$(PREFIX)

deps-build:
	@scripts/install-packages build

deps-run:
	@scripts/install-packages build run

deps-check:
	@scripts/install-packages build run check

deps-check-long:
	@scripts/install-packages build run check check-long

run: deps-run all
	scripts/run $(BUILD)/qemu-system-x86_64

check: deps-check
	scripts/check $(BUILD)

check-long: deps-check-long
	scripts/check --long $(BUILD)

bench: deps-check-long all
	tests/bench/bench.py $(BUILD)/qemu-system-x86_64
	tests/bench/work.py $(BUILD)/qemu-system-x86_64 $(BENCH)
	test $$(nproc) -lt 2 || tests/bench/work.py $(BUILD)/qemu-system-x86_64 --smp 2 $(BENCH)
	tests/bench/work.py $(BUILD)/qemu-system-x86_64 --kvm-tcg $(BENCH)
	tests/bench/machine.py $(BUILD)/qemu-system-x86_64 $(BENCH)
	tests/bench/net.py $(BUILD)/qemu-system-x86_64 $(BENCH)
	tests/bench/img.py $(BUILD)/qemu-img $(BENCH)

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz
