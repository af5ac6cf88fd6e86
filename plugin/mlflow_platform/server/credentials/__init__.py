"""In comes somebody whom the gate knows, with her own token, or a name and a password that buy one.
Out go MinIO's credentials for her alone, or a refusal; and for anybody where Keycloak and MinIO are.
It never keeps a credential, and asks MinIO for none in this server's own name.
"""
