"""Ansible's own order of tasks and hosts, with Mitogen to run them.

Mitogen keeps one Python process for each host and account while a playbook runs, and sends it only
the code that is new to it, where Ansible alone sends and starts each module anew. ansible.cfg
chooses it; `ANSIBLE_STRATEGY=linear ansible-playbook ...` does without. The plugin that Mitogen
brings lies below a folder named after the version of Python, which ansible.cfg cannot know.
"""

import ansible_mitogen.loaders
from ansible_mitogen.strategy import StrategyMixin

# under its own name: the loader would import it once more, with other types
Linear = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


class StrategyModule(StrategyMixin, Linear):
    """See https://mitogen.networkgenomics.com/ansible_detailed.html."""
