"""What befalls a stack while its users work, and what they and the operator see of it."""
