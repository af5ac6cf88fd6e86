"""A stack as it was: all of it, parts of it, and on the day when the machine is gone."""
