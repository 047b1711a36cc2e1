"""The nouns: records, protocols, spaces, units, errors, checks."""
