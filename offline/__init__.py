"""The air-gapped path: everything needed where only package registries answer."""
