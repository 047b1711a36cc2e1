"""Rules for both time scales, a bound, and an exact optimum of the caching world."""
