"""Update a deployed policy from its log: estimates, drift, calibration, retraining and a gate."""
