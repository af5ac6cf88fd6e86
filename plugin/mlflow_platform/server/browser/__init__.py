"""In comes a request without a token, from somebody at a browser, or Keycloak's word that a session has ended.
Out goes the session whose token counts instead, a page, or the way to Keycloak and back.
It never decides what somebody may do, and no access token of its sessions leaves this server.
"""
