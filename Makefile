# SPDX-License-Identifier: GPL-2.0-only
#
# The entry points for humans. What kbuild reads is in Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
DOCDIR ?= /usr/share/doc/kvm-i8254
SBINDIR ?= /usr/sbin

.PHONY: module headers run lab check check-debug check-qemu check-intel graft lint selftests fuzz faults prove \
	coverage compare timelines guests libvirt bench storm docs install uninstall clean distclean help

module: headers ## build kvm-i8254.ko for the running kernel, or for the one whose headers are in KDIR
	@$(MAKE) -C $(KDIR) M=$(CURDIR) modules

headers:
	@: $(if $(wildcard $(KDIR)/Makefile),,$(error no kernel headers in $(KDIR): \
		apt install linux-headers-$(shell uname -r), or give KDIR=/path/to/headers))

run: ## see it: timelines of the policies, and a Linux guest that is stalled, in a throwaway hypervisor
	@lab/setup
	@lab/demo

lab: ## look inside: a shell in the throwaway hypervisor (KERNEL=, CPUS=, EMULATOR=, PARAMS="reinject=slew", FILES=)
	@lab/setup
	@lab/shell $(or $(KERNEL),6.12) $(if $(CPUS),--cpus $(CPUS)) $(if $(EMULATOR),--emulator $(EMULATOR)) \
		$(if $(PARAMS),--params "$(PARAMS)") $(foreach file,$(FILES),--file $(file))

check: ## test it: KUnit, and the lab on all supported kernels
	@lab/setup
	@lab/check

lint: ## what tools say of the sources: checkpatch, sparse, clang, shellcheck and others; part of check
	@lab/setup
	@lab/lint

selftests: ## build the selftests on the library of a kernel tree: KERNEL_TREE=/path/to/linux OUTPUT=dir
	@$(MAKE) -C selftests

fuzz: ## random programs over the whole PIT, compared with a naive 8254, and of a hostile VMM (SEED=, SECONDS=, KERNEL=)
	@lab/setup
	@lab/fuzz $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(KERNEL),--kernel $(KERNEL))

faults: ## put faults of the past back: do the tests of their names fail? Documentation/faults-table.rst
	@lab/setup
	@lab/put-back

prove: ## every state that the tick layer can get into, and what must hold in it; make check does a part
	@lab/setup
	@lab/explore --deep

graft: ## this PIT in a Linux 7.x tree in place of KVM's: built, booted, KUnit and the selftests (KERNEL_TREE=)
	@lab/setup
	@lab/graft $(if $(KERNEL_TREE),--tree $(KERNEL_TREE))

check-debug: ## the lab's tests on debug kernels (KASAN, lockdep, kmemleak, KCSAN...), built here: an hour or more
	@lab/setup
	@lab/check-debug

check-intel: ## the lab's tests on an emulated Intel CPU (Bochs), all of them: an hour or more
	@lab/setup
	@lab/check-intel

check-qemu: ## clocks of guests in QEMU, patched or not, through stops, snapshots and migration
	@lab/setup
	@lab/check-qemu

coverage: ## which lines and branches of the pure files the KUnit tests reach
	@lab/setup
	@lab/coverage

compare: ## what guests run into, on stock KVM and with the module: Documentation/stock-table.rst
	@lab/setup
	@lab/compare

timelines: ## when guests get their ticks, from a run in the lab: Documentation/timeline.svg and -table.rst
	@lab/setup
	@lab/timelines --update

guests: ## what guests lose, with the stock PIT and with the module: Documentation/guests-table.rst
	@lab/setup
	@lab/guests-table

libvirt: ## what libvirt gives QEMU for each of its words: Documentation/libvirt-table.rst
	@lab/setup
	@lab/libvirt

bench: ## what stock KVM's PIT, the module and QEMU's cost, and how late ticks are: Documentation/bench.svg and -table.rst
	@lab/setup
	@lab/bench --update

storm: ## what 64 VMs with the shortest timers leave to another process: Documentation/storm-table.rst
	@lab/setup
	@lab/storm

docs: ## build the pages in Documentation as HTML, in build/docs
	@lab/setup
	@lab/docs

# What KDIR's kernel calls itself, and where its modules go.
release = $(shell $(MAKE) -s --no-print-directory -C $(KDIR) kernelrelease)
modules = $(DESTDIR)/lib/modules/$(release)
# A package's scripts run depmod where the package is installed.
depmod = $(if $(DESTDIR),@echo "DESTDIR is set: depmod $(release) is not run",depmod $(release))

install: module ## install the module, pitstat and an example for modprobe.d (DESTDIR=, KDIR=)
	@$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates \
		CONFIG_MODULE_SIG_ALL= modules_install
	install -D -m 755 tools/pitstat $(DESTDIR)$(SBINDIR)/pitstat
	install -D -m 644 packaging/modprobe.conf $(DESTDIR)$(DOCDIR)/examples/kvm-i8254.conf
	$(depmod)
	@echo "Now: modprobe kvm-i8254. Parameters, and loading at boot: $(DOCDIR)/examples/kvm-i8254.conf"

uninstall: headers ## remove what install put there
	rm -f $(modules)/updates/kvm-i8254.ko*
	rm -f $(DESTDIR)$(SBINDIR)/pitstat
	rm -rf $(DESTDIR)$(DOCDIR)
	$(depmod)

clean: ## remove what was built; downloads, unpacked kernels and roots stay
	rm -rf *.o .*.o *.ko *.mod *.mod.c .*.cmd .*.d *.symvers modules.order .tmp_versions
	rm -rf $(filter-out build/kernels build/roots build/sources,$(wildcard build/*))

distclean: clean ## remove the downloads too
	@bash -c '. lab/lib.sh; [ ! -e build/roots ] || as_root rm -rf --one-file-system build/roots'
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' Makefile | expand -t 13
