"""The server's half: MLflow behind Keycloak, closed by default.

Here lies the gate, in rooms what a request needs on its way. Imports run down only: from the gate (`__main__`, `app`,
`routes`, `probe`) to `trail`, to `browser` and `credentials`, which do not know each other, to `within`, to `identity`,
and to what all of them use.
"""
