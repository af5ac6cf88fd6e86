"""A package, so that its stack goes when its last test is done."""
