"""Studies: jobs, tables, claims and their verdicts."""
