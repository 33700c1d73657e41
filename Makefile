# `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

INVENTORY ?= inventory/lab
# Inventories that the lab program boots; they share variables and secrets.
LABS := inventory/lab inventory/single inventory/one-vm-per-service inventory/el9 inventory/unstable
SEEDS ?= 3
BIN := .venv/bin
# Tools find each other, and the lab program, without an activated environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/molecule/shared
LAB := $(BIN)/python -m lab --inventory $(INVENTORY)
READY := .venv/.installed

all: $(READY) help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1 $$3, $$2}' $(firstword $(MAKEFILE_LIST))

# Installs what this machine lacks, and says what; again when a lock file changed.
$(READY): requirements/dev.txt requirements/uv.txt requirements/debian.txt
	@requirements/install.sh

demo: lab-up deploy ## boot the lab, deploy the platform and buy two products, all in one: make demo INVENTORY=inventory/single
	@$(BIN)/python playbooks/ops/place_order.py -i $(INVENTORY) Linux Ansible
	@echo "$$NEXT"

# Where an order processor and the broker run, for the examples.
NAMES = $(or $(NAMES_$(INVENTORY)),app1 broker)
NAMES_inventory/single := shop shop
NAMES_inventory/one-vm-per-service := orders1 broker
NAMES_inventory/el9 := shop broker
NAMES_inventory/unstable := shop broker
OF_LAB = $(if $(filter-out inventory/lab,$(INVENTORY)), INVENTORY=$(INVENTORY))

define NEXT

The lab stays up. What to do next, from this folder:
  another order        .venv/bin/python playbooks/ops/place_order.py -i $(INVENTORY) Git Shell
  follow the journal   make ssh HOST=$(word 1,$(NAMES))$(OF_LAB), then: sudo journalctl -fu order-processor
  look at the queue    make ssh HOST=$(word 2,$(NAMES))$(OF_LAB), then: sudo rabbitmqctl list_queues name messages consumers
  all hosts at once    .venv/bin/ansible -i $(INVENTORY) all -m ping
  stop the lab         make lab-down$(OF_LAB)
endef
export NEXT

test: lint unit ## everything that proves the platform: lint, unit tests, and Molecule on hosts of its own
	@echo "== molecule test"
	$(BIN)/molecule test
	@echo "== molecule test --scenario-name el9"
	EL9_TESTS="system and not fault" $(BIN)/molecule test --scenario-name el9

el9: $(READY) ## all of the tests of hosts on hosts that answer like RHEL 9, of its own
	@echo "== molecule test --scenario-name el9"
	$(BIN)/molecule test --scenario-name el9

lint: $(READY) ## check style and types of playbooks, roles and Python
	@echo "== ruff"; ruff check; ruff format --check
	@echo "== mypy"; mypy apps/src apps/tests apps/build_release.py molecule/shared roles/rabbitmq/filter_plugins playbooks/ops
	@MYPYPATH=apps mypy apps/benchmarks apps/build_storefront.py # by the name that `make bench` runs it by
	@echo "== yamllint"; yamllint --strict .
	@echo "== docs/flows.md"; $(BIN)/python playbooks/ops/flows.py | diff docs/flows.md -
	@echo "== docs/rhel9.md"; $(BIN)/python -m rhel9.page | diff docs/rhel9.md -
	@echo "== shellcheck"; git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
	@echo "== ansible-lint"; ansible-lint --offline --profile production

unit: $(READY) ## run the tests that need no deployed platform; those of the lab boot guests of their own
	@echo "== pytest"; pytest
	@pytest molecule/shared/faults/tests # apart: both have a package `tests`

lab-up: $(READY) ## boot the hosts of the lab: make lab-up INVENTORY=inventory/one-vm-per-service
	@$(LAB) up

lab-down: $(READY) ## end them and delete their data
	@$(LAB) down

lab-status: $(READY) ## list them
	@$(LAB) status || test $$? -eq 3 # 3: not all of them run, as the list says

lab-reboot: $(READY) ## reboot one of them: make lab-reboot HOST=broker
	@$(LAB) reboot $(or $(HOST),$(error which host? make lab-reboot HOST=broker))

ssh: $(READY) ## open a shell on a host of the lab: make ssh HOST=broker
	@ssh -F /var/lib/skillupworks-lab/$$(sed -n 's/^ *lab_name: //p' $(INVENTORY)/hosts.yml)/ssh_config $(or $(HOST),$(error which host? make ssh HOST=broker))

deploy: $(READY) release $(if $(filter $(LABS),$(INVENTORY)),secrets) ## run playbooks/site.yml: make deploy INVENTORY=inventory/production ARGS=--ask-vault-pass
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/site.yml $(ARGS)

secrets: inventory/lab/group_vars/all/secrets.yml ## generate the labs' missing secrets

# Again when the list of secrets grew; those that are there stay.
inventory/lab/group_vars/all/secrets.yml: playbooks/ops/secrets.yml | $(READY)
	@ansible-playbook playbooks/ops/secrets.yml
	@touch $@

release: $(READY) ## build services and storefront into dist/, an archive of each per version
	@$(BIN)/python apps/build_release.py
	@$(BIN)/python apps/build_storefront.py

faults: ## break the lab under load, account for every order, write docs/faults.md: make faults ARGS='-k broker_kill' SEEDS=7-9
	@$(MAKE) lab-up deploy ARGS=
	@ANSIBLE_INVENTORY=$(INVENTORY) $(BIN)/pytest molecule/shared/faults -m fault --seeds $(SEEDS) --report docs/faults.md $(ARGS)

bench: $(READY) ## compare with bare pika and frameworks on the running lab: make bench ARGS='--only consume --rounds 1'
	@apps/benchmarks/install.sh
	@PYTHONPATH=apps apps/benchmarks/.venv/bin/python -m benchmarks $(ARGS)

shop-load: $(READY) ## load the shop of the lab up to its knee, or for long: make shop-load ARGS='--soak 30 --rate 40'
	@apps/benchmarks/install.sh shop_load
	@PYTHONPATH=apps apps/benchmarks/shop_load/.venv/bin/python -m benchmarks.shop_load --inventory $(INVENTORY) $(ARGS)

flows: $(READY) ## write docs/flows.md from the table of allowed flows
	@$(BIN)/python playbooks/ops/flows.py > docs/flows.md

rhel9: $(READY) ## write docs/rhel9.md from the table of facts, molecule/shared/rhel9/facts.yml
	@$(BIN)/python -m rhel9.page > docs/rhel9.md

el9-mutations: $(READY) ## see that tests notice wrong names for RHEL 9: make el9-mutations ARGS='--role mysql'
	@$(BIN)/python -m rhel9.mutations $(ARGS)

lock: ## pin every Python dependency again, with hashes, to its newest version
	@requirements/lock.sh

.PHONY: all help demo test el9 lint unit lab-up lab-down lab-status lab-reboot ssh deploy secrets release faults bench shop-load flows rhel9 el9-mutations lock
