"""Local accounts: what a password needs, and the server by which they get mail, in Keycloak's words."""

import pulumi_keycloak as keycloak

from components import named_files
from components.settings import Passwords, Smtp


def mail_server(smtp: Smtp) -> keycloak.RealmSmtpServerArgs:
    """The mail server; a password goes no further than to Keycloak and, encrypted, into the state."""
    return keycloak.RealmSmtpServerArgs(
        host=smtp.host,
        port=str(smtp.port_used),
        ssl=smtp.encryption == "tls",
        starttls=smtp.encryption == "starttls",
        from_=smtp.sender,
        from_display_name=smtp.sender_name,
        auth=keycloak.RealmSmtpServerAuthArgs(
            username=smtp.user, password=named_files.secret("smtp.password_file", smtp.password_file)
        )
        if smtp.user and smtp.password_file
        else None,
    )


def password_policy(passwords: Passwords) -> str:
    """As Keycloak writes it, or every refresh would differ."""
    rules = [f"length({passwords.length})", "notContainsUsername(undefined)", "notEmail(undefined)"]
    if passwords.history:
        rules.append(f"passwordHistory({passwords.history})")
    return " and ".join(rules)
