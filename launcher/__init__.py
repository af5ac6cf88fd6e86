"""What `./platform` does, one idea a module, with the standard library only."""
