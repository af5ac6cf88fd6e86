"""The command line of `mlflow-platform`."""

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mlflow_platform.client import aws_profile, certificates, clock, discovery, sessions, workspaces
from mlflow_platform.client.addresses import normalized, tracking_uri
from mlflow_platform.client.errors import ClientError, NotLoggedIn
from mlflow_platform.client.login import choose_way, log_in, log_out, when

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        return options.command(options)
    except ClientError as error:
        print(f"mlflow-platform: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("mlflow-platform: interrupted", file=sys.stderr)
    except OSError as error:
        print(f"mlflow-platform: {error.strerror or error}: {error.filename}", file=sys.stderr)
    return 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mlflow-platform", description="Your login at the MLflow platform that MLFLOW_TRACKING_URI names."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        sub.set_defaults(command=command)
        return sub

    login_parser = add("login", login, "log in, in your browser or with a code on another device")
    login_parser.add_argument("--device", action="store_true", help="show a code to log in with elsewhere")
    login_parser.add_argument("--offline", action="store_true", help="a login that outlives your session in Keycloak")
    login_parser.add_argument(
        "--ca-file", metavar="FILE", help="the certificate (PEM) of the platform's own authority; kept with the login"
    )
    login_parser.add_argument("--aws-profile", metavar="NAME", help="also write a profile for S3 tools")
    add("logout", logout, "end the login, here and at Keycloak")
    add("status", status, "show who is logged in, until when, and what of the storage can be reached")
    add("env", env, 'print exports for the shell: eval "$(mlflow-platform env)"; no secrets among them')
    add("token", token, "print an access token, for programs that know nothing of this one")
    workspace_parser = add("workspace", workspace, "list your workspaces, or choose the one that is meant from now on")
    choosing = workspace_parser.add_subparsers(metavar="use NAME")
    choosing.add_parser("use", help="choose this one").add_argument("name", metavar="NAME")
    workspace_parser.set_defaults(name=None)
    credentials_parser = add("credentials", credentials, "print S3 credentials as AWS's credential_process")
    credentials_parser.add_argument("--tracking-uri", metavar="URL", help="the platform (default: MLFLOW_TRACKING_URI)")
    return parser.parse_args(arguments)


def login(options: argparse.Namespace) -> int:
    server = tracking_uri()
    program = ""
    if options.aws_profile:  # before anybody takes the trouble
        aws_profile.check_name(options.aws_profile)
        program = _program()
    if options.ca_file is not None:
        certificates.authorities(options.ca_file)
    way = "device" if options.device else choose_way()
    log_in(server, way, offline=options.offline, ca_file=options.ca_file)
    if options.aws_profile:
        path = aws_profile.write(options.aws_profile, discovery.platform(server), program)
        print(f"Profile {options.aws_profile} is in {path}.", file=sys.stderr)
    return 0


def logout(options: argparse.Namespace) -> int:
    server = tracking_uri()
    print(f"Logged out of {server}." if log_out(server) else f"You were not logged in to {server}.")
    return 0


def status(options: argparse.Namespace) -> int:
    server = tracking_uri()
    session = _session(server)
    session.access_token()
    print(f"server   {server}")
    print(f"user     {session.username}")
    if isinstance(session, sessions.LoginSession):
        ends = session.login().tokens.session_ends_at
        print(f"until    {when(ends) if ends else 'you log out (an offline login)'}")
    else:
        print(f"by       {sessions.CLIENT_ID}, without a login")
    if authority := certificates.kept(server):
        print(f"trusts   {authority}")
    if theirs := workspaces.listed(session):
        print(f"works in {workspaces.used(server, theirs)} (of {', '.join(theirs)})")
    print(f"storage  {_storage(session)}")
    return 0


def env(options: argparse.Namespace) -> int:
    platform = discovery.platform(tracking_uri())
    variables = {
        "MLFLOW_TRACKING_URI": platform.tracking_uri,
        "MLFLOW_S3_ENDPOINT_URL": platform.s3_endpoint,
        "AWS_DEFAULT_REGION": platform.s3_region,
    }
    if profile := aws_profile.find(platform.tracking_uri):
        variables["AWS_PROFILE"] = profile
    if authority := certificates.kept(platform.tracking_uri):
        # The last is for mc: what Go reads on Linux, beside the system's folder; MinIO's Python library reads it too.
        variables |= dict.fromkeys((certificates.MLFLOW, certificates.AWS, "SSL_CERT_FILE"), authority)
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0


def token(options: argparse.Namespace) -> int:
    server = tracking_uri()
    session = _session(server)
    discovery.check_server(server)  # it tells the time: who takes this token cannot renew it
    print(session.access_token(fresh=True))
    return 0


def workspace(options: argparse.Namespace) -> int:
    session = _session(tracking_uri())
    theirs = workspaces.choose(session, options.name) if options.name else workspaces.listed(session)
    used = workspaces.used(session.tracking_uri, theirs)
    print("\n".join(f"{'*' if name == used else ' '} {name}" for name in theirs) or "This platform has no workspaces.")
    return 0


def credentials(options: argparse.Namespace) -> int:
    from mlflow_platform.client import storage  # boto3 takes its time to import

    server = normalized(options.tracking_uri) if options.tracking_uri else tracking_uri()
    given = storage.credentials(_session(server), discovery.platform(server))
    document = {
        "Version": 1,
        "AccessKeyId": given["access_key"],
        "SecretAccessKey": given["secret_key"],
        "SessionToken": given["token"],
        "Expiration": given["expiry_time"],
    }
    print(json.dumps(document))
    return 0


def _session(server: str) -> sessions.Session:
    session = sessions.find(server)
    if not session:
        raise NotLoggedIn(f"You are not logged in to {server}; run `mlflow-platform login`.")
    return session


def _storage(session: sessions.Session) -> str:
    from mlflow_platform.client import refusals, storage

    platform = discovery.platform(session.tracking_uri)
    place = f"s3://{platform.bucket} at {platform.s3_endpoint}"
    try:
        storage.credentials(session, platform, attempts=1)
    except ClientError as error:
        return f"{place}: no credentials. {error}"
    if abs(clock.ahead()) > refusals.MOST_SKEW:
        return f"{place}: credentials are given, and not taken. {refusals.skewed(platform.s3_endpoint, clock.ahead())}"
    return f"{place}: credentials are given"


def _program() -> str:
    """This program, as other programs can start it from anywhere."""
    found = shutil.which(sys.argv[0])
    if not found:
        raise ClientError("The profile needs `mlflow-platform` as an installed program, and this is not one.")
    return os.fspath(Path(found).absolute())
