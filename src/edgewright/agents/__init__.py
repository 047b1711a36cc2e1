"""Learners: how a policy is obtained. Siblings that know protocols, never a world."""
