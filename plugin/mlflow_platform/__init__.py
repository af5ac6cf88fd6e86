"""MLflow with one login: the server's half in `server`, the users' half in `client`.

Nothing is imported here, so that the client stays light on a machine without MLflow's server.
"""
