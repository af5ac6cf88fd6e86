"""A stand-in for pulumi-keycloak 6.14.1 on Keycloak's admin REST API; one module for each sort of object."""
