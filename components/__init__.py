"""The parts of the platform, one typed component resource each."""
