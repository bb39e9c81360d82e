# SPDX-License-Identifier: GPL-2.0
# Dynamic Kernel Stacks: `make help` lists what there is to do.

T := tools/testing/dynamic_stack
.DEFAULT_GOAL := help

# Targets do their own work in parallel; two at once would only fight
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
# The kernel's own make must not see variables given to this one
unexport MAKEFLAGS
export FORCE PATCH SIGNOFF BOCHS ARCH
# SERIES=7.3: another base, in build/7.3 (bases/)
ifneq ($(SERIES),)
export SERIES
endif

.PHONY: help setup branch sync series refresh kernel base-kernel demo estimate bench compare check check-fred check-suites check-configs android-selftest soak storm docs lint deb clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: ## install the Debian packages that are missing (nothing if none is)
	@$(T)/setup

branch: $(if $(LINUX),,setup) ## git branch in build/linux: the base and a commit per patch (all: SERIES=7.3, in build/7.3; LINUX=dir: does it apply there?)
	@$(T)/series $(if $(LINUX),try "$(LINUX)",branch)

refresh: ## commits and edits in build/linux become patches and files here (PATCH=NNNN)
	@$(T)/series refresh

sync: ## copy edited new files to build/linux
	@$(T)/series sync

series: branch ## git format-patch of the branch, ready to send, in build/series (SIGNOFF="Name <address>")
	@$(T)/series mail

kernel: setup ## build the guest kernel, build/kernel-guest (this and base-kernel, check, demo: ARCH=arm64 in build/arm64)
	@$(T)/build-kernel

base-kernel: setup ## build the unpatched kernel of the same configuration, build/kernel-base
	@$(T)/build-kernel --base

demo: setup ## replay Android thread lists, feature off and on (CENSUS=file.tsv, CENSUS=all; CPUS=2; ESTIMATE=1: is kstackestimate right?)
	@$(if $(CPU),DS_CPU="$(CPU)" )$(T)/demo $(if $(CENSUS),CENSUS="$(CENSUS)") $(if $(CPUS),CPUS="$(CPUS)") $(if $(ESTIMATE),ESTIMATE="$(ESTIMATE)")

estimate: ## what it would save here: this machine's threads, its own kernel (root; ADB=1 or serial: an Android device)
	@$(T)/setup estimate
	@$(T)/estimate $(if $(ADB),--adb=$(filter-out 1,$(ADB)))

bench: ## what it costs: A/B against the unpatched kernel (BENCH=quick or parts as "ops day"; BENCH=cycles, REAL=1: this machine)
	@$(T)/bench $(if $(BENCH),BENCH="$(BENCH)") $(if $(REAL),REAL="$(REAL)")

compare: ## what demo and bench measured on each base, in one table
	@$(T)/compare

check: setup ## run the tests, 45 minutes or more (TESTS="boot/* kunit/*" for some; ARCH=arm64: CPU=cortex-a57)
	@$(if $(CPU),DS_CPU="$(CPU)" )$(T)/check $(TESTS)

check-fred: ## run the tests of the fault path on FRED (BOCHS=path: a Bochs that has it), results in fred.json
	@$(T)/bochs.py path >/dev/null
	@$(T)/setup fred
	@$(T)/bochs.py find >/dev/null
	@$(T)/check --fred

check-suites: setup ## who looks at stacks from outside: crash, makedumpfile, drgn, gdb (half an hour; results in suites.json)
	@$(T)/setup suites
	@$(T)/check --suites $(TESTS)

check-configs: setup ## build, boot and test each kernel of configs/matrix (about 10 minutes for each)
	@$(T)/check 'config/*'

android-selftest: setup ## android-ab through adb against a guest as the phone; report in build/results/android-ab
	@DS_BOOTS=$(or $(BOOTS),2) $(T)/check 'android/*'

soak: setup branch ## long torture on the debug kernel, ends with a report (MINUTES=n, default 10)
	@$(T)/soak $(or $(MINUTES),10)

storm: setup ## a machine without memory, again and again, feature on and off (MINUTES=n for each kind of swap, default 30)
	@$(T)/storm $(or $(MINUTES),30)

docs: branch ## HTML of our pages in build/docs; no warning is allowed
	@$(T)/setup docs
	@$(T)/docs

lint: branch ## checkpatch, sparse, coccicheck, clang, two more architectures (STEPS="...")
	@$(T)/setup lint
	@$(T)/lint $(STEPS)

deb: branch ## Debian packages of a kernel to install, in build/deb; CONFIG=file (default: Debian's)
	@$(T)/setup deb
	@$(T)/deb $(if $(CONFIG),--config "$(CONFIG)")

clean: ## delete the built kernels, logs and results (keeps build/linux and the compiler cache)
	@rm -rf build/kernel-* build/guest-bin build/estimate build/*.cpio.gz build/log build/results build/series build/docs
