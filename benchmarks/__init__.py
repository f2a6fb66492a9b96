"""perfrun's engine side by side with other load generators, in one run: ``make bench``."""
