"""Build one agent from modules that edge servers train on their own data, as a contract asks."""
