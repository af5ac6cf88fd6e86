"""Backup and restore of one platform: what runs in its backup container, and in those that restore."""
