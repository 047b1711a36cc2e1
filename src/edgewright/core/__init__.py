"""Records, protocols, spaces, units, errors and checks, on which all other packages build."""
