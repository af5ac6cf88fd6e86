"""What a judge's job needs: a trace to judge, a model that finds it good, a bucket that shows everything."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tests.plugin.conftest import Server


class Model:
    """An OpenAI of our own, which finds every answer good."""

    def __init__(self) -> None:
        model = self
        self.asked: list[dict[str, str]] = []
        self.prompts = b""
        verdict = json.dumps({"result": "yes", "rationale": "because"})
        message = {"role": "assistant", "content": verdict}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": {}}
        body = json.dumps({**answer, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                model.asked.append({name.lower(): value for name, value in self.headers.items()})
                model.prompts += self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        Thread(target=self.server.serve_forever, daemon=True).start()


class S3:
    """Of which everything is asked that MLflow's storage user is not kept from: it knows no users."""

    def __init__(self) -> None:
        s3 = self
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                path = urlsplit(self.path).path
                s3.asked.append(path)
                body = s3.objects.get(path, b"")
                self.send_response(200 if path in s3.objects else 404)
                self.send_header("etag", '"1"')
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if self.command == "GET" else b"")

            def do_PUT(self) -> None:
                s3.objects[urlsplit(self.path).path] = self.rfile.read(int(self.headers["content-length"]))
                self.answer()

            do_GET = do_HEAD = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


def trace(server: Server) -> str:
    """A trace of an editor's, with something to judge."""
    id, answer = server.send_span(**{"mlflow.spanInputs": '{"q": 1}', "mlflow.spanOutputs": '{"a": 2}'})
    assert answer.status_code == 200, answer.text
    return id


JUDGE = {
    "name": "good",
    "aggregations": [],
    "mlflow_version": "3.17.2",
    "serialization_version": 1,
    "instructions_judge_pydantic_data": {
        "instructions": "Is {{ outputs }} a good answer to {{ inputs }}?",
        "model": "gateway:/judge",
        "feedback_value_type": {"title": "Result", "type": "string"},
    },
}


def started(server: Server, traces: list[str], team: str = "editors") -> str:
    """The job's id, of a judge that somebody of the team asks for."""
    what = {"experiment_id": "0", "serialized_scorer": json.dumps(JUDGE), "trace_ids": traces, "log_assessments": True}
    answer = server.as_member(team, "POST", "/ajax-api/3.0/mlflow/scorer/invoke", json=what)
    assert answer.status_code == 200, answer.text
    return answer.json()["jobs"][0]["job_id"]


def ended(server: Server, job: str, team: str = "editors") -> dict[str, Any]:
    """What MLflow says of it then."""
    deadline = time.monotonic() + 120
    while (said := server.as_member(team, "GET", f"/ajax-api/3.0/jobs/{job}").json())["status"] in _GOING_ON:
        assert time.monotonic() < deadline, server.log_file.read_text()[-4000:]
        time.sleep(0.5)
    return said


_GOING_ON = ("PENDING", "RUNNING")
