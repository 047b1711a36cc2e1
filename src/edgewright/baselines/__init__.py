"""What learners are measured against: rules, greedies, planners, bounds."""
