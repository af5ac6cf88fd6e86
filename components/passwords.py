"""Passwords nobody chooses: random, and secret in the state."""

import pulumi_random as random
from pulumi import Output, Resource, ResourceOptions


def password(name: str, parent: Resource) -> Output[str]:
    """32 letters and digits (190 bits): nothing that a URL, a shell or a properties file would want quoted."""
    return random.RandomPassword(name, length=32, special=False, opts=ResourceOptions(parent=parent)).result
