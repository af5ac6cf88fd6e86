"""Passwords and names of keys that nobody chooses or guesses: random, the passwords secret in the state."""

import pulumi_random as random
from pulumi import Output, Resource, ResourceOptions


def password(name: str, parent: Resource) -> Output[str]:
    """32 letters and digits (190 bits): nothing that a URL, a shell or a properties file would want quoted."""
    return random.RandomPassword(name, length=32, special=False, opts=ResourceOptions(parent=parent)).result


def access_key(name: str, parent: Resource) -> Output[str]:
    """An S3 access key's name, 20 capitals and digits (103 bits) as in AWS.

    No secret, but whoever forges a request, for a server that forgets to verify it (CVE-2026-41145), must know one.
    """
    opts = ResourceOptions(parent=parent)
    return random.RandomString(name, length=20, lower=False, special=False, opts=opts).result
