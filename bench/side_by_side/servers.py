"""The servers that are compared: the same MLflow, image, options and PostgreSQL, each with another door."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import minio
import psycopg
import requests
from docker.models.containers import Container
from mlflow_platform.server.__main__ import arguments
from mlflow_platform.server.settings import DEFAULT_WORKSPACE, Level, Settings, Team

from components.images import BASE, PINS
from side_by_side import realm
from side_by_side.stage import BenchError, Stage, wait_for

ROOT = Path(__file__).resolve().parents[2]
MLFLOW = PINS["mlflow"].tag
OIDC_AUTH = "11.0.2"
# What the platform's client package stands on beside MLflow and boto3.
CLIENT_PACKAGES = ("filelock>=3.15", "platformdirs>=4", "requests>=2.31", "segno>=1.6")
WORKERS = 2
BUCKET = "mlflow"
STATIC_KEY = "bench"
SECRET = token_hex(16)  # of every user and server here
LOGGING = "/etc/logging.json"
# Addresses in the benchmark's network.
POSTGRES, REALM, MINIO, FIRST_SERVER = 2, 3, 4, 10

http = requests.Session()
http.trust_env = False  # no proxy, no netrc


@dataclass(frozen=True)
class Server:
    """A running server, and what a request of its user carries."""

    name: str
    host: str
    container: Container
    headers: Mapping[str, str]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.host.partition(":")
        return host, int(port)

    def wait(self) -> None:
        wait_for(self.container, lambda: http.get(f"http://{self.host}/health", timeout=5).ok)

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = http.post(f"http://{self.host}/api/2.0/mlflow/{path}", json=body, headers=self.headers, timeout=60)
        if not answer.ok:
            raise BenchError(f"{self.name}: {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


class Servers:
    """Starts them, on one database server, one realm and one object store."""

    def __init__(self, stage: Stage):
        self._stage = stage
        base = BASE["local"]
        images = {
            name: stage.build(PINS[name], f"mlflow-platform/bench-{name}", base)
            for name in ("postgres", "minio", "mlflow")
        }
        self.image = images["mlflow"]
        self._next = FIRST_SERVER
        self._start_postgres(images["postgres"])
        self.issuer = self._start_realm()
        self.s3_endpoint = self._start_minio(images["minio"])
        grant = {"grant_type": "client_credentials", "client_id": "mlflow-client"}
        self._token = http.post(f"{self.issuer}/protocol/openid-connect/token", data=grant).json()["access_token"]

    def _start_postgres(self, image: str) -> None:
        container = self._stage.start(
            "postgres",
            POSTGRES,
            image,
            ["postgres", "-c", "max_connections=500"],
            env={"POSTGRES_PASSWORD_FILE": "/run/secrets/superuser"},
            files={"/run/secrets/superuser": SECRET},
        )
        wait_for(container, lambda: self._sql(b"SELECT 1"))

    def _sql(self, statement: bytes) -> bool:
        host = self._stage.address(POSTGRES)
        try:
            with psycopg.connect(
                host=host, user="postgres", password=SECRET, autocommit=True, connect_timeout=2
            ) as database:
                database.execute(statement)
        except psycopg.OperationalError:
            return False
        return True

    def _database(self, name: str) -> str:
        self._sql(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://postgres:{SECRET}@postgres/{name}"

    def _start_realm(self) -> str:
        url = f"http://{self._stage.address(REALM)}:{realm.PORT}"
        script = {"/bench/realm.py": Path(__file__).with_name("realm.py").read_text()}
        container = self._stage.start(
            "realm", REALM, self.image, ["/bench/realm.py", url], files=script, entrypoint="python"
        )
        issuer = f"{url}{realm.REALM}"
        wait_for(container, lambda: http.get(f"{issuer}/.well-known/openid-configuration", timeout=5).ok)
        return issuer

    def _start_minio(self, image: str) -> str:
        options = {
            "CONFIG_URL": f"{self.issuer}/.well-known/openid-configuration",
            "CLIENT_ID": "minio",
            "CLIENT_SECRET": SECRET,
            "CLAIM_NAME": "policy",
        }
        lines = [f"MINIO_IDENTITY_OPENID_{name}_BENCH={value}" for name, value in options.items()]
        keys = [f"MINIO_ROOT_USER={STATIC_KEY}", f"MINIO_ROOT_PASSWORD={SECRET}"]
        container = self._stage.start(
            "minio",
            MINIO,
            image,
            ["server", "/data1", "--address", ":9000"],
            env={"MINIO_CONFIG_ENV_FILE": "/run/secrets/minio.env"},
            files={"/run/secrets/minio.env": "\n".join([*keys, *lines, ""])},
        )
        endpoint = f"http://{self._stage.address(MINIO)}:9000"
        wait_for(container, lambda: http.get(f"{endpoint}/minio/health/cluster", timeout=5).ok)
        minio.Minio(endpoint.removeprefix("http://"), STATIC_KEY, SECRET, secure=False).make_bucket(BUCKET)
        return endpoint

    def no_auth(self) -> Server:
        return self._start("no auth", self.image, {}, {})

    def basic_auth(self) -> Server:
        """MLflow's own with its cache of passwords on; without it, a hash of 0.2 s is due at every request."""
        config = {
            "default_permission": "EDIT",
            "admin_username": "admin",
            "database_uri": self._database("auth_basic"),
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
            "auth_cache_ttl_seconds": "3600",
        }
        server = self._start(
            "basic-auth, cached",
            self.image,
            {
                "MLFLOW_AUTH_CONFIG_PATH": "/etc/basic_auth.ini",
                "MLFLOW_AUTH_ADMIN_PASSWORD": SECRET,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": SECRET,
            },
            {"/etc/basic_auth.ini": "\n".join(["[mlflow]", *(f"{key} = {value}" for key, value in config.items())])},
            app="basic-auth",
        )
        server.wait()
        admin = replace(server, headers={"Authorization": _basic("admin")})
        admin.ask("users/create", {"username": realm.USER, "password": SECRET})
        return replace(server, headers={"Authorization": _basic(realm.USER)})

    def oidc_auth(self) -> Server:
        image = self._stage.add(
            self.image, "mlflow-platform/bench-oidc-auth", f"mlflow=={MLFLOW}", f"mlflow-oidc-auth=={OIDC_AUTH}"
        )
        env = {
            "OIDC_DISCOVERY_URL": f"{self.issuer}/.well-known/openid-configuration",
            "OIDC_ISSUER": self.issuer,
            "OIDC_AUDIENCE": "mlflow",
            "OIDC_CLIENT_ID": "mlflow",
            "OIDC_CLIENT_SECRET": SECRET,
            "OIDC_USERNAME_FIELD": "preferred_username",
            "OIDC_GROUP_NAME": realm.TEAM,
            "OIDC_PROVISION_ON_BEARER_AUTH": "true",
            "DEFAULT_MLFLOW_PERMISSION": "EDIT",
            "OIDC_USERS_DB_URI": self._database("auth_oidc"),
            "SECRET_KEY": SECRET,
        }
        server = self._start("mlflow-oidc-auth", image, env, {}, app="oidc-auth")
        return replace(server, headers=self._bearer())

    def proxy(self) -> Server:
        """MLflow that passes artifacts through, with static keys of its own."""
        env = {
            "AWS_ACCESS_KEY_ID": STATIC_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "MLFLOW_S3_ENDPOINT_URL": self.s3_endpoint,
        }
        artifacts = [f"--artifacts-destination=s3://{BUCKET}", "--default-artifact-root=mlflow-artifacts:/"]
        return self._start("artifact proxy", self.image, env, {}, options=[*artifacts, "--serve-artifacts"])

    def platform(self, name: str = "platform", public: str | None = None, workspaces: tuple[str, ...] = ()) -> Server:
        """As the platform runs it, by its own entry point; `public` is the host that it is asked as, if another."""
        host = self._host()
        secrets = {
            "MLFLOW_BACKEND_STORE_URI": self._database(f"mlflow_{name}"),
            "MLFLOW_PLATFORM_AUTH_DATABASE_URI": self._database(f"auth_{name}"),
            "MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI": self._database(f"keycloak_{name}"),
            "MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN": SECRET,
            "MLFLOW_PLATFORM_WEB_CLIENT_SECRET": SECRET,
            "MLFLOW_PLATFORM_SESSION_KEY": SECRET,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": SECRET,
            "AWS_ACCESS_KEY_ID": STATIC_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        files = {
            "/etc/mlflow-platform/server.json": self._settings(public or host, workspaces).model_dump_json(),
            "/run/secrets/mlflow.env": "".join(f"{name}={value}\n" for name, value in secrets.items()),
        }
        env = {
            "MLFLOW_PLATFORM_CONFIG": "/etc/mlflow-platform/server.json",
            "MLFLOW_S3_ENDPOINT_URL": self.s3_endpoint,
        }
        number = int(host.partition(":")[0].rpartition(".")[2])
        container = self._stage.start(name, number, self.image, [], env=env, files=files)
        headers = {**self._bearer(), **({"Host": public} if public else {})}
        return Server(f"this plugin, {'in a workspace' if workspaces else 'bearer'}", host, container, headers)

    def in_browser(self, platform: Server) -> Server:
        """The same server, asked by a browser that logged in."""
        public = f"http://{platform.host}"
        browser = requests.Session()
        browser.trust_env = False
        page = browser.get(f"{public}/oidc/login", timeout=30)  # over the realm, which asks for nothing, and back
        cookies = [f"{cookie.name}={cookie.value}" for cookie in browser.cookies if "login" not in cookie.name]
        if not cookies:
            raise BenchError(f"The login of a browser ended at {page.url} with {page.status_code} and no session.")
        headers = {"Cookie": "; ".join(cookies), "Origin": public, "Sec-Fetch-Site": "same-origin"}
        return replace(platform, name="this plugin, browser", headers=headers)

    def _start(
        self,
        name: str,
        image: str,
        env: Mapping[str, str],
        files: Mapping[str, str],
        *,
        app: str | None = None,
        options: list[str] | None = None,
    ) -> Server:
        """MLflow with the very options that the platform gives it, but for what makes the difference."""
        host = self._host()
        logging = ROOT / "plugin" / "mlflow_platform" / "server" / "logging.json"
        replaced = ("--app-name", *((option.partition("=")[0] for option in options) if options else ()))
        given = [
            argument.replace(str(logging), LOGGING)
            for argument in arguments(self._settings(host))
            if not argument.startswith(replaced) and not (options and argument == "--no-serve-artifacts")
        ]
        short = re.sub(r"\W+", "_", name)
        container = self._stage.start(
            short,
            int(host.partition(":")[0].rpartition(".")[2]),
            image,
            [*given, *(options or []), *([f"--app-name={app}"] if app else [])],
            env={
                "MLFLOW_BACKEND_STORE_URI": self._database(f"mlflow_{short}"),
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_JOB_EXECUTION_ENGINE": "executor",  # as the platform runs it
                **env,
            },
            files={LOGGING: logging.read_text(), **files},
            entrypoint="mlflow",
        )
        return Server(name, host, container, {})

    def _host(self) -> str:
        self._next += 1
        return f"{self._stage.address(self._next)}:5000"

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _settings(self, host: str, workspaces: tuple[str, ...] = ()) -> Settings:
        return Settings(
            public_url=f"http://{host}",
            issuer=self.issuer,
            backchannel_url=self.issuer,
            client_id="mlflow-client",
            web_client_id="mlflow",
            session_idle_seconds=28800,
            session_max_seconds=259200,
            sts_endpoint=self.s3_endpoint,
            s3_endpoint=self.s3_endpoint,
            s3_region="us-east-1",
            bucket=BUCKET,
            storage_credentials_seconds=3600,
            workspaces=workspaces,
            teams={realm.TEAM: Team(levels=dict.fromkeys(workspaces or [DEFAULT_WORKSPACE], Level.EDIT))},
            workers=WORKERS,
        )


def _basic(user: str) -> str:
    return f"Basic {b64encode(f'{user}:{SECRET}'.encode()).decode()}"
