"""What all moves of a stack have in common: what they change, what they leave, and what is over then."""

import re
from collections import Counter

import httpx

from tests.e2e.https.journey import Holdings, Journey, logins

# What names public addresses, and what is made anew with it; nothing of this holds data.
MOVED = {
    "replace Container gateway-files uploads[0].content",
    "replace Container gateway",
    "update Realm keycloak-realm attributes.frontendUrl",
    "update Client keycloak-realm-mlflow validPostLogoutRedirectUris[0] validRedirectUris[0]",
    "update Client keycloak-realm-minio validRedirectUris[0]",
    "replace Container mlflow-files uploads[0].content",
    "replace Container mlflow",
    "replace Container minio-1 envs[3] envs[9]",
}
OWN_AUTHORITY = {
    "PrivateKey certificates-authority",
    "SelfSignedCert certificates-authority",
    "PrivateKey certificates",
    "CertRequest certificates",
    "LocallySignedCert certificates",
}
CERTIFICATES = {
    "Certificates certificates",
    "Network network-certificates",
    "Volume certificates",
    "Container certificates-files",
    "Container certificates",
}


def changed(*changes: str) -> Counter[str]:
    """Counted as the engine does."""
    return Counter(change.split(" ", 1)[0] for change in changes)


def planned(journey: Journey) -> set[str]:
    """All but the providers themselves."""
    return {str(change) for change in journey.stack.planned() if not re.search(r" default_[\d_]+$", change.resource)}


def nothing_is_lost(journey: Journey, holdings: Holdings) -> None:
    """By new logins of both kinds: everything is there, and a model that was registered before the move predicts."""
    assert journey.holdings().has_all_of(holdings)
    journey.log_in()
    shown = journey.status()
    assert shown.returncode == 0, shown.stderr
    assert "credentials are given" in shown.stdout
    read, truth = journey.example("predict_digits.py").splitlines()
    assert sum(one == other for one, other in zip(read.split()[1:], truth.split()[1:], strict=True)) >= 8


def trains_in_vain(journey: Journey, url: str) -> str:
    """The last line of what a training at an address says that it is not logged in to, or not any more."""
    training = ["python", "-c", 'import mlflow; mlflow.set_experiment("moved")']
    done = journey.run(training, url, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def the_past_is_past(journey: Journey, former: str, said: str) -> None:
    """Logins of the former address: the client says so in a sentence, and tokens are of no use at the new one."""
    there, here = journey.status(former), journey.status()
    for shown in (there, here):
        assert (shown.returncode, len(shown.stderr.splitlines())) == (1, 1), shown.stderr
    assert re.search(said, there.stderr), there.stderr
    assert f"You are not logged in to {journey.platform.url}; run `mlflow-platform login`." in here.stderr

    kept = logins(journey.home)[former]["tokens"]
    answer = journey.platform.ask(kept["access_token"], "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert answer.status_code == 401
    grant = {"grant_type": "refresh_token", "client_id": "mlflow-client", "refresh_token": kept["refresh_token"]}
    token_url = f"{journey.platform.outputs['oidc_issuer_url']}/protocol/openid-connect/token"
    answer = httpx.post(token_url, data=grant, timeout=30, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
