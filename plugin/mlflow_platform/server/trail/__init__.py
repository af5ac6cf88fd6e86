"""In come events: what this server writes down, and what MinIO tells of S3. Beside them lie Keycloak's own.
Out goes all of it in one order, for administrators: as a page to read, or as lines for `./platform audit`.
It never slows or fails the request that an event is of, and keeps no credential of anybody's.
"""
