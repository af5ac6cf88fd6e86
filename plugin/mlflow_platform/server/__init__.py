"""The server's half: MLflow behind Keycloak, closed by default."""
