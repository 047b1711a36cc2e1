"""Update a deployed policy from its log."""
