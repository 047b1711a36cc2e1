"""Training runs, comparisons, statistics, figures, reports."""
