# SPDX-License-Identifier: Apache-2.0
# The front door.  meson builds; the scripts in tools/ set the machine up and
# run the tests.  Each target installs first what it needs and is not there.

## make demo      train, kill in the middle of a save, resume: with all set-up
## make test      all tests, with all set-up
## make deepspeed DeepSpeed with Pawl: with four processes, and by its launchers;
##                ten minutes
## make bench     how fast saving and loading is here, against torch; a
##                quarter of an hour; BENCH=--fast, BENCH="--case load", ...
## make model     all states of the models of the commit (docs/model.md), with
##                more failures at a time than in the tests; 4 minutes
## make fuzz      any bytes as files, manifests, configs; 6 minutes and the
##                build: six targets of FUZZ_SECONDS=60 each
## make crash     every call fails, the power after every call: more than an hour
##                of work, for all cores
## make mutants   whether the crash tests find bugs: 25 of them, put into copies
##                of the code one by one; 2 minutes
## make kill-ranks   one of four ranks killed, 500 times, and 120 times one of
##                four processes of torch.distributed; 9 minutes
## make kill-loop    a job killed while it saves, 1,000 times; 3 minutes
## make disk-full    a disk that is full at some moment of a save, 200 times;
##                   as root, or with user namespaces; 1 minute
## make coverage  what the C tests run of src/, to docs/coverage.txt; 5 minutes;
##                `make test` shows it, too
## make soak      saves, retention and loads at once over a disk that fails; half
##                an hour, or PAWL_SOAK_SECONDS
## make install   the library, its headers and the command; PREFIX=/usr/local
## make clean     remove what was built; .venv stays
## make help      this text

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.PHONY: crash mutants help demo test deepspeed bench fuzz model kill-ranks kill-loop
.PHONY: disk-full soak coverage install clean

help:
	@sed -n 's/^## //p' Makefile

demo:
	@tools/setup demo
	@.venv/bin/python examples/demo.py

test:
	@tools/setup test
	@tools/test

deepspeed:
	@tools/setup test
	@tools/test deepspeed

bench:
	@tools/setup bench
	@.venv/bin/python bench/run.py $(BENCH)

model:
	@tools/setup test
	@tests/model/check --deep

fuzz:
	@tools/setup test
	@FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run

crash:
	@tools/setup test
	@tools/test crash

mutants:
	@tools/setup test
	@tools/test mutants

kill-ranks:
	@tools/setup test
	@tools/test kill_ranks

kill-loop:
	@tools/setup test
	@tools/test kill_loop

disk-full:
	@tools/setup test
	@tools/test disk_full

coverage:
	@tools/setup test
	@tools/coverage

soak:
	@tools/setup test
	@tools/test soak

install:
	@tools/setup build
	meson setup build-install --buildtype=release -Dtests=false \
		--prefix=$(PREFIX) $(if $(wildcard build-install),--reconfigure)
	ninja -C build-install
	meson install -C build-install --no-rebuild
	@[ -n "$(DESTDIR)" ] || ldconfig 2>/dev/null || true

clean:
	rm -rf build build-* demo-run bench-run
