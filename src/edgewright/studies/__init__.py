"""Run studies, which consist of jobs, tables, claims and their verdicts."""
