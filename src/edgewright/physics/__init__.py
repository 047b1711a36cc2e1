"""One equation a function, with its paper, number and units."""
