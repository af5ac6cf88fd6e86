"""One thing of every kind that MLflow keeps, made in a room under names that say whose it is."""

from typing import Any, Protocol

MAKER = "everywhere"
API = "/api/2.0/mlflow/"
NEWER = "/api/3.0/mlflow/"
SHARED = "of-two-rooms"  # a model and an experiment by this name are in each


class Maker(Protocol):
    """A server, asked by a person in a room for something that has to be done."""

    def done(self, person: str, room: str, path: str, *, method: str = "POST", **body: Any) -> Any: ...


class Things:
    """What is in a room: ids and names, as requests call them. `content` is what nobody has to say to ask for it."""

    def __init__(self, room: str, ids: dict[str, str]):
        self.room, self.mark, self.content, self.ids = room, f"mark-of-{room}", f"content-of-{room}", ids


def furnish(building: Maker, room: str) -> Things:
    things = Things(room, {})
    mark, content = things.mark, things.content

    def made(path: str, **body: Any) -> Any:
        return building.done(MAKER, room, path, **body)

    experiment = made(f"{API}experiments/create", name=f"{mark}-experiment")["experiment_id"]
    made(f"{API}experiments/create", name=SHARED, tags=[{"key": "whose", "value": content}])
    made(f"{API}experiments/set-experiment-tag", experiment_id=experiment, key="tag", value=content)
    run = made(f"{API}runs/create", experiment_id=experiment, run_name=mark)["run"]["info"]["run_id"]
    made(f"{API}runs/log-metric", run_id=run, key="metric", value=1, timestamp=1)
    made(f"{API}runs/log-parameter", run_id=run, key="parameter", value=content)
    made(f"{API}runs/set-tag", run_id=run, key="tag", value=content)
    logged = made(f"{API}logged-models", experiment_id=experiment, name=mark, source_run_id=run)
    for model in (SHARED, f"{mark}-model"):
        made(f"{API}registered-models/create", name=model, description=content)
        made(f"{API}model-versions/create", name=model, source=f"runs:/{run}/model", run_id=run, description=content)
        made(f"{API}registered-models/alias", name=model, alias="newest", version="1")
    is_prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "tag", "value": content}]
    made(f"{API}registered-models/create", name=f"{mark}-prompt", tags=is_prompt)
    trace = f"tr-{mark}"
    info = {
        "trace_id": trace,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_preview": content,
        "request_time": "2026-01-01T00:00:00Z",
        "execution_duration": "1s",
        "state": "OK",
        "tags": {"tag": content},
    }
    made(f"{NEWER}traces", trace={"trace_info": info})
    assessment = made(
        f"{NEWER}traces/{trace}/assessments",
        assessment={
            "trace_id": trace,
            "assessment_name": mark,
            "source": {"source_type": "HUMAN", "source_id": "x"},
            "feedback": {"value": content},
            "create_time": "2026-01-01T00:00:00Z",
            "last_update_time": "2026-01-01T00:00:00Z",
        },
    )["assessment"]["assessment_id"]
    dataset = made(f"{NEWER}datasets/create", name=f"{mark}-dataset", experiment_ids=[experiment])["dataset"]
    records = f'[{{"inputs": {{"question": "{content}"}}}}]'
    made(f"{NEWER}datasets/{dataset['dataset_id']}/records", records=records)
    made(f"{NEWER}scorers/register", experiment_id=experiment, name=mark, serialized_scorer=f'{{"x": "{content}"}}')
    schema = made(
        f"{NEWER}label-schemas/create",
        experiment_id=experiment,
        name=f"{mark}-schema",
        type="FEEDBACK",
        title=content,
        input={"pass_fail": {"positive_label": "yes", "negative_label": "no"}},
    )["label_schema"]["schema_id"]
    queue = made(f"{NEWER}review-queues/create", experiment_id=experiment, name=f"{mark}-queue", queue_type="CUSTOM")[
        "review_queue"
    ]["queue_id"]
    made(f"{NEWER}review-queues/items/add", queue_id=queue, item_type="TRACE", item_ids=[trace])
    issue = made(f"{NEWER}issues", experiment_id=experiment, name=f"{mark}-issue", description=content)["issue"][
        "issue_id"
    ]
    secret = made(
        f"{NEWER}gateway/secrets/create",
        secret_name=f"{mark}-secret",
        secret_value={"api_key": content},
        provider="openai",
    )["secret"]["secret_id"]
    definition = made(
        f"{NEWER}gateway/model-definitions/create",
        name=f"{mark}-definition",
        secret_id=secret,
        provider="openai",
        model_name=content,
    )["model_definition"]["model_definition_id"]
    endpoint = made(
        f"{NEWER}gateway/endpoints/create",
        name=f"{mark}-endpoint",
        model_configs=[{"model_definition_id": definition, "linkage_type": "PRIMARY", "weight": 1}],
    )["endpoint"]["endpoint_id"]
    made("/ajax-api/3.0/mlflow/mcp-servers", name=f"org.example/{mark}-server", description=content)
    webhook = building.done(
        "admins",
        room,
        f"{API}webhooks",
        name=f"{mark}-webhook",
        url="https://93.184.216.34/hook",
        events=[{"entity": "REGISTERED_MODEL", "action": "CREATED"}],
    )["webhook"]["webhook_id"]
    things.ids.update(
        {
            "experiment_id": experiment,
            "experiment_name": f"{mark}-experiment",
            "run_id": run,
            "model_id": logged["model"]["info"]["model_id"],
            "name": f"{mark}-model",
            "prompt": f"{mark}-prompt",
            "version": "1",
            "trace_id": trace,
            "assessment_id": assessment,
            "dataset_id": dataset["dataset_id"],
            "scorer": mark,
            "schema_id": schema,
            "queue_id": queue,
            "issue_id": issue,
            "secret_id": secret,
            "model_definition_id": definition,
            "endpoint_id": endpoint,
            "endpoint": f"{mark}-endpoint",
            "server": f"org.example/{mark}-server",
            "webhook_id": webhook,
        }
    )
    return things
