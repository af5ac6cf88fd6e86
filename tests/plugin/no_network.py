"""The realm without a network: what the server is told of it, its keys, and what its token endpoint may answer."""

from hypothesis import strategies as st
from mlflow_platform.server.identity.keys import SigningKeys, signing_keys
from mlflow_platform.server.settings import Settings

from tests.anything import JSON, bodies
from tests.plugin.idp import Backstage

SETTINGS = Settings.model_validate(
    {
        "public_url": "http://localhost:5000",
        "issuer": "http://keycloak.example/realms/test",
        "backchannel_url": "http://127.0.0.1:9/realms/test",
        "client_id": "mlflow-client",
        "web_client_id": "mlflow",
        "session_idle_seconds": 28800,
        "session_max_seconds": 259200,
        "sts_endpoint": "http://127.0.0.1:9",
        "s3_endpoint": "http://s3.example",
        "s3_region": "us-east-1",
        "bucket": "mlflow",
        "teams": {"editors": {"levels": {"default": "EDIT"}}},
    }
)
OFFLINE = Backstage()
OFFLINE.close()
GRANTS = bodies(
    {"access_token": "eyJh.eyJz.c2ln", "refresh_token": "eyJh.eyJz.cmVm", "id_token": None, "error": None},
    st.sampled_from(["invalid_grant", "unauthorized_client"]) | JSON,
)


class Offline(SigningKeys):
    """The realm's keys, without the network."""

    async def get(self, key_id: str):
        return signing_keys(OFFLINE.realm.jwks()).get(key_id)
