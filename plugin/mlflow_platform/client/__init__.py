"""The users' half: login, request headers and artifact credentials. It never imports `mlflow_platform.server`."""
