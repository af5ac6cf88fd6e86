"""Which level may reach which route, before MLflow's permission engine has its say.

MLflow lets every user that it knows act in several places (create an experiment, a model, a job, demo data), and
gives MANAGE on what one has created for good. So those who may only read are held to what reads, by a list of what
is open: a route that a new MLflow brings is closed to them until somebody looks at it.
"""

import re

from mlflow_platform.server.browser.origin import SAFE_METHODS
from mlflow_platform.server.settings import Level

# Closed to everybody. Users, passwords, roles and grants are made in one place only, from the realm's groups; the
# assistant runs commands on the server's host.
_ADMINISTRATION = re.compile(r"/signup|/mlflow/+(users|roles)/")
_WORKSPACES = re.compile(r"/mlflow/+workspaces")
_ASSISTANT = re.compile(r"/mlflow/+assistant")
# MLflow takes any parameters there, the name of the user to act as among them; its pages have routes of their own.
_JOB_BY_HAND = re.compile(r"/+ajax-api/+\d\.\d/+jobs/*")
# Written with MLflow's own storage user, past what the caller's team may do there, or signed for days: artifacts go
# straight to the object store, as oneself.
_MLFLOWS_STORAGE = re.compile(r"/mlflow/+(upload-artifact|artifacts/+presigned-)")

# Requests that only read, although they are sent as POST (route table of mlflow 3.17.2, and our own).
_READING_POSTS = re.compile(
    r"/graphql"
    r"|/api/2\.0/mlflow-platform/session"  # credentials that can do what the caller's teams can
    r"|/ajax-api/3\.0/jobs/search"
    r"|/(ajax-)?api/\d\.\d/mlflow/("
    r"(experiments|runs|traces|logged-models|issues|datasets|prompt-optimization/jobs)/search"
    r"|experiments/search-datasets|registered-models/get-latest-versions"
    r"|traces/(batchGetInfos|calculate-filter-correlation|metrics))"
)

# Routes that answer by calling a model: USE opens them, and MLflow then asks for USE on the very endpoint.
_GATEWAY = re.compile(r"(/gateway|/ajax-api/2\.0/mlflow/gateway-proxy)(/.*)?", re.DOTALL)


def refusal(level: Level | None, method: str, path: str) -> str | None:
    """Why this request is refused, in a sentence; None where MLflow may decide."""
    if level is None:
        return "None of your groups is a team of this platform; ask its administrators to add you to one."
    if _ASSISTANT.search(path):
        return "MLflow's assistant is switched off on this platform."
    if _ADMINISTRATION.search(path) and (method not in SAFE_METHODS or "/signup" in path):
        return "Users and rights are managed through the platform's groups, not here."
    if _WORKSPACES.search(path) and method not in SAFE_METHODS:
        return "Workspaces are named in the stack's file, not here."
    if method not in SAFE_METHODS and _JOB_BY_HAND.fullmatch(path):
        return "Jobs are started by what they are for, a scorer or an evaluation, not here."
    if _MLFLOWS_STORAGE.search(path):
        return "Artifacts go straight to the object store, with credentials of your own, not through here."
    if level in (Level.READ, Level.USE) and not _only_reads(method, path):
        if not _GATEWAY.fullmatch(path):
            return "Your teams may read here, not write."
        if level is Level.READ:
            return "Your teams may read here, not call models."
    return None


def _only_reads(method: str, path: str) -> bool:
    if _GATEWAY.fullmatch(path):
        return False
    return method in SAFE_METHODS or (method == "POST" and _READING_POSTS.fullmatch(path) is not None)
