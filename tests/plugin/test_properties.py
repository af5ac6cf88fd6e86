"""Whatever a caller asks for: which level may reach which route."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlflow_platform.server.browser.origin import SAFE_METHODS
from mlflow_platform.server.routes import refusal
from mlflow_platform.server.settings import Level

often = settings(max_examples=200, deadline=None)

# What only reads although it is sent as POST.

SEARCHES = ("experiments", "runs", "traces", "logged-models", "issues", "datasets", "prompt-optimization/jobs")
READING = {
    *(f"{kind}/search" for kind in SEARCHES),
    *(f"traces/{what}" for what in ("batchGetInfos", "calculate-filter-correlation", "metrics")),
    "experiments/search-datasets",
    "registered-models/get-latest-versions",
}
READING_ROUTES = sorted(
    {
        "/graphql",
        "/api/2.0/mlflow-platform/session",
        "/ajax-api/3.0/jobs/search",
        *(
            f"/{api}/{version}/mlflow/{what}"
            for api in ("api", "ajax-api")
            for version in ("2.0", "3.0")
            for what in READING
        ),
    }
)
GATEWAY_ROUTES = ("/gateway", "/ajax-api/2.0/mlflow/gateway-proxy")
PIECES = [
    *("/", "/", "//", ".", "..", "%2f", "\n", ";", "?", "api", "ajax-api", "2.0", "mlflow", "users", "roles", "signup"),
    *("assistant", "search", "create", "update", "delete", "jobs", "gateway", "graphql", "runs", "v1", "traces"),
]
METHODS = (
    st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "get", ""]) | st.text()
)
NOISE = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=10)
PATHS = st.one_of(
    NOISE.map(lambda noise: f"/{noise}"),
    st.tuples(st.sampled_from([*READING_ROUTES, *GATEWAY_ROUTES]), NOISE | st.just("")).map("".join),
    st.tuples(NOISE, st.sampled_from([*READING_ROUTES, *GATEWAY_ROUTES])).map("".join),
)


@often
@given(METHODS, PATHS)
def test_nobody_without_a_team_passes_anywhere(method: str, path: str) -> None:
    assert refusal(None, method, path)


@often
@given(METHODS, PATHS)
def test_a_reader_writes_nothing_whatever_the_method_and_the_path(method: str, path: str) -> None:
    if refusal(Level.READ, method, path) is None:
        assert method in SAFE_METHODS or (method == "POST" and path in READING_ROUTES)
        assert not path.startswith(("/gateway/", f"{GATEWAY_ROUTES[1]}/"))


@often
@given(METHODS, PATHS)
def test_a_user_of_models_calls_them_and_writes_nothing_else(method: str, path: str) -> None:
    if refusal(Level.USE, method, path) is None and refusal(Level.READ, method, path):
        assert path in GATEWAY_ROUTES or path.startswith(tuple(f"{route}/" for route in GATEWAY_ROUTES))


@often
@given(METHODS, PATHS)
def test_what_a_level_may_every_higher_one_may_too(method: str, path: str) -> None:
    allowed = [refusal(level, method, path) is None for level in Level]
    assert allowed == sorted(allowed)


@often
@given(
    st.sampled_from(Level),
    METHODS,
    NOISE,
    st.sampled_from(["users/", "roles/", "assistant", "upload-artifact", "artifacts{}presigned-", "/signup"]),
    st.sampled_from(["/", "//", "///"]),
    NOISE,
)
def test_no_level_opens_what_is_closed_to_all(
    level: Level, method: str, before: str, closed: str, slashes: str, after: str
) -> None:
    assume(method not in SAFE_METHODS or closed not in ("users/", "roles/"))  # who there is may be read
    assert refusal(level, method, f"{before}/mlflow{slashes}{closed.format(slashes)}{after}")
