"""The SkillUpWorks platform: its services, and the messaging and runtime they share."""
