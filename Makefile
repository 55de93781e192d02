# SPDX-License-Identifier: GPL-2.0-or-later
BUILD ?= build

.PHONY: all deps-build deps-check check

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja: | deps-build
	meson setup $(BUILD)

deps-build:
	scripts/install-packages build

deps-check:
	scripts/install-packages build run check

check: deps-check all
	scripts/run-tests $(BUILD)
