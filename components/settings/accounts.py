"""Local accounts: what their passwords need, and the server by which they get mail."""

from typing import Literal, Self

from pydantic import Field, model_validator

from components.settings.sites import is_private
from components.settings.values import Email, File, HostName, Port, Strict, Text

_PORTS: dict[str, Port] = {"tls": 465, "starttls": 587, "none": 25}


class Smtp(Strict):
    """By mail people are invited, confirm their addresses and get over a forgotten password; without it none is sent.

    An address counts as its owner's when a mail to it was answered.
    """

    host: HostName
    """The mail server."""
    port: Port | None = None
    """Its port; by default that of the encryption: 465, 587 or 25."""
    encryption: Literal["tls", "starttls", "none"] = "tls"
    """`tls` from the first byte. The others are for a server of this machine or a private network: `starttls` is given
    up where somebody on the way says that the server has none."""
    sender: Email
    """The address that the mails come from."""
    sender_name: Text = "MLflow"
    """The name that they come from."""
    user: Text | None = None
    """By which Keycloak logs in there."""
    password_file: File | None = None
    """A file with the user's password; a path from the project's folder."""

    @property
    def port_used(self) -> Port:
        return self.port or _PORTS[self.encryption]

    @model_validator(mode="after")
    def _is_not_read_on_the_way(self) -> Self:
        if self.encryption != "tls" and not is_private(self.host):
            raise ValueError(
                f"encryption is {self.encryption}, but {self.host} may be reached from anywhere, and whoever is on the "
                "way could read what is sent, links to new passwords too; set tls, or name a relay of this machine or "
                "of a private network"
            )
        return self

    @model_validator(mode="after")
    def _logs_in_with_both(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together; set both, or none where the server asks for none")
        return self


class Passwords(Strict):
    """What a password of a local account needs; whoever comes from a directory has it there."""

    length: int = Field(default=12, ge=8, le=64)
    """So many characters at least. None contains the user's name or is the address."""
    history: int = Field(default=0, ge=0, le=24)
    """It is none of so many that the account had before."""
