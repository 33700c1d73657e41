# `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

INVENTORY ?= inventory/lab
SEEDS ?= 3
BIN := .venv/bin
# Tools find each other, and the lab program, without an activated environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/molecule/shared
LAB := $(BIN)/python -m lab --inventory inventory/lab
READY := .venv/.installed

all: $(READY) help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1 $$3, $$2}' $(firstword $(MAKEFILE_LIST))

# Installs what this machine lacks, and says what; again when a lock file changed.
$(READY): requirements/dev.txt requirements/uv.txt requirements/debian.txt
	@requirements/install.sh

demo: lab-up deploy ## boot the lab, deploy the platform and place an order: everything in one
	@$(BIN)/python playbooks/ops/place_order.py Linux
	@echo "$$NEXT"

define NEXT

The lab stays up. What to do next, from this folder:
  another order        .venv/bin/python playbooks/ops/place_order.py Linux Ansible
  follow the journal   make ssh HOST=app1, then: sudo journalctl -fu order-processor
  look at the queue    make ssh HOST=broker, then: sudo rabbitmqctl list_queues name messages consumers
  all hosts at once    .venv/bin/ansible -i inventory/lab all -m ping
  stop the lab         make lab-down
endef
export NEXT

test: lint unit ## everything that proves the platform: lint, unit tests, and Molecule on hosts of its own
	@echo "== molecule test"
	$(BIN)/molecule test

lint: $(READY) ## check style and types of playbooks, roles and Python
	@echo "== ruff"; ruff check; ruff format --check
	@echo "== mypy"; mypy apps/src apps/tests apps/build_release.py molecule/shared roles/rabbitmq/filter_plugins playbooks/ops
	@MYPYPATH=apps mypy apps/benchmarks # by the name that `make bench` runs it by
	@echo "== yamllint"; yamllint --strict .
	@echo "== shellcheck"; git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
	@echo "== ansible-lint"; ansible-lint --offline --profile production

unit: $(READY) ## run the tests that need no deployed platform; those of the lab boot guests of their own
	@echo "== pytest"; pytest
	@pytest molecule/shared/faults/tests # apart: both have a package `tests`

lab-up: $(READY) ## boot the hosts of inventory/lab
	@$(LAB) up

lab-down: $(READY) ## end them and delete their data
	@$(LAB) down

lab-status: $(READY) ## list them
	@$(LAB) status || test $$? -eq 3 # 3: not all of them run, as the list says

lab-reboot: $(READY) ## reboot one of them: make lab-reboot HOST=broker
	@$(LAB) reboot $(or $(HOST),$(error which host? make lab-reboot HOST=broker))

ssh: $(READY) ## open a shell on a host of the lab: make ssh HOST=broker
	@ssh -F /var/lib/skillupworks-lab/demo/ssh_config $(or $(HOST),$(error which host? make ssh HOST=broker))

deploy: $(READY) release $(if $(filter inventory/lab,$(INVENTORY)),secrets) ## run playbooks/site.yml: make deploy INVENTORY=inventory/production ARGS=--ask-vault-pass
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/site.yml $(ARGS)

secrets: inventory/lab/group_vars/all/secrets.yml ## generate the lab's missing secrets

# Again when the list of secrets grew; those that are there stay.
inventory/lab/group_vars/all/secrets.yml: playbooks/ops/secrets.yml | $(READY)
	@ansible-playbook playbooks/ops/secrets.yml
	@touch $@

release: $(READY) ## build the services into dist/, one archive per version
	@$(BIN)/python apps/build_release.py

faults: ## break the lab under load, account for every order, write docs/faults.md: make faults ARGS='-k broker_kill' SEEDS=7-9
	@$(MAKE) lab-up deploy ARGS=
	@$(BIN)/pytest molecule/shared/faults -m fault --seeds $(SEEDS) --report docs/faults.md $(ARGS)

bench: $(READY) ## compare with bare pika and frameworks on the running lab: make bench ARGS='--only consume --rounds 1'
	@apps/benchmarks/install.sh
	@PYTHONPATH=apps apps/benchmarks/.venv/bin/python -m benchmarks $(ARGS)

lock: ## pin every Python dependency again, with hashes, to its newest version
	@requirements/lock.sh

.PHONY: all help demo test lint unit lab-up lab-down lab-status lab-reboot ssh deploy secrets release faults bench lock
