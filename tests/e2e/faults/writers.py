"""Clients at work whatever befalls the servers: each remembers exactly what it was told had been stored."""

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.e2e.conftest import Platform

_STEPS = 50  # metrics of a run
_LARGEST = 64_000  # bytes of an object
_PAUSE = 0.15  # seconds between two requests of a client
_TOKEN = 200.0  # seconds for which a token is used, of the 300 that it holds
_PATIENCE = 120.0  # seconds that a client may take to its end
_one_by_one = threading.Lock()  # Keycloak refuses a login while another of the same user is under way
_S3 = {"connect_timeout": 5, "read_timeout": 20, "retries": {"total_max_attempts": 1}}


class NotStored(Exception):
    """An answer that is an error."""


@dataclass(frozen=True)
class Refusal:
    """What a client was told instead of yes, or that it was told nothing."""

    what: str
    at: float  # Unix, in seconds
    why: str


@dataclass
class Writers:
    """Logs runs and uploads objects for as long as the block runs, two clients each; nobody tries anything twice.

    `runs` and `objects` hold what was acknowledged: run -> (metric, step) -> value, and key -> SHA-256.
    """

    platform: Platform
    runs: dict[str, dict[tuple[str, int], float]] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    tried: dict[str, set[tuple[str, int]]] = field(default_factory=dict)  # metrics without an answer that says yes
    refused: list[Refusal] = field(default_factory=list)
    stored: list[tuple[str, float]] = field(default_factory=list)  # kind of what was acknowledged, and when

    def __enter__(self) -> "Writers":
        self._done = threading.Event()
        self._name = f"{time.time_ns():x}"
        work = [(self._log, 0), (self._log, 1), (self._upload, 0), (self._upload, 1)]
        self._threads = [threading.Thread(target=do, args=(number,)) for do, number in work]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a request does not end"
        reasons = Counter(f"{it.what}: {it.why[:100]}" for it in self.refused)
        metrics = sum(map(len, self.runs.values()))
        print(f"\nstored: {len(self.runs)} runs, {metrics} metrics, {len(self.objects)} objects; refused:")
        for reason, count in reasons.most_common(12):
            print(f"  {count:4} {reason}")

    def stored_since(self, moment: float) -> set[str]:
        """What kinds of things were acknowledged since then."""
        return {kind for kind, at in self.stored if at > moment}

    def refused_since(self, moment: float, what: str) -> list[str]:
        return [it.why for it in self.refused if it.at > moment and it.what == what]

    def both_store(self, within: float) -> None:
        """Waits until runs and objects are stored again."""
        began = time.time()
        while not {"metric", "object"} <= self.stored_since(began):
            assert time.time() < began + within, f"only {self.stored_since(began)} within {within:.0f} s"
            time.sleep(0.5)

    def differing(self) -> list[str]:
        """Of what was acknowledged, all that is not there exactly as it was written."""
        platform = self.platform
        token, s3 = platform.token("dev"), platform.s3(platform.token("dev"), max_pool_connections=4)

        def of_a_run(run: str) -> list[str]:
            return list(self._lacks(run, token))

        def of_an_object(key: str) -> list[str]:
            body = s3.get_object(Bucket=platform.outputs["artifact_bucket"], Key=key)["Body"].read()
            return [] if hashlib.sha256(body).hexdigest() == self.objects[key] else [f"{key} has another content"]

        with ThreadPoolExecutor(4) as pool:
            found = [*pool.map(_told(of_a_run), self.runs), *pool.map(_told(of_an_object), self.objects)]
        return [difference for differences in found for difference in differences]

    def _lacks(self, run: str, token: str) -> Iterator[str]:
        asked = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&max_results=1000&metric_key=loss"
        answer = self.platform.ask(token, "GET", asked)
        if answer.status_code != 200:
            yield f"run {run}: {answer.text[:200]}"
            return
        history = [(("loss", int(it["step"])), it["value"]) for it in answer.json().get("metrics", [])]
        there = dict(history)
        if len(history) != len(there):
            yield f"run {run} has a metric twice"
        for metric, value in self.runs[run].items():
            if there.get(metric) != value:
                yield f"run {run} has {there.get(metric)} for {metric}, not {value}"
        if unknown := there.keys() - self.runs[run].keys() - self.tried.get(run, set()):
            yield f"run {run} has {sorted(unknown)}, which nobody logged"

    def _log(self, number: int) -> None:
        session, chance = _Session(self.platform), random.Random(f"{self._name} {number}")
        while not self._done.is_set():
            name = {"experiment_id": "0", "run_name": f"{self._name}-{number}"}
            info = self._told_of("run", lambda name=name: session.post("runs/create", name)["run"]["info"])
            if not info:
                continue
            run = info["run_id"]
            self.runs[run] = {}
            for step in range(_STEPS):
                if self._done.is_set():
                    break
                metric = {"run_id": run, "key": "loss", "value": chance.random(), "timestamp": 1, "step": step}
                said = self._told_of("metric", lambda metric=metric: session.post("runs/log-metric", metric))
                if said is None:
                    self.tried.setdefault(run, set()).add(("loss", step))
                else:
                    self.runs[run]["loss", step] = metric["value"]

    def _upload(self, number: int) -> None:
        session, chance = _Session(self.platform), random.Random(f"{self._name} {number}")
        count = 0
        while not self._done.is_set():
            count += 1
            key = f"faults/{self._name}/{number}/{count}"
            body = chance.randbytes(chance.randrange(1, _LARGEST))
            if self._told_of("object", lambda key=key, body=body: session.put(key, body)) is not None:
                self.objects[key] = hashlib.sha256(body).hexdigest()

    def _told_of(self, what: str, do: Callable[[], Any]) -> Any:
        """The answer, where there is one and it says yes."""
        try:
            said = do()
        except Exception as error:  # whichever it is, the client knows that it was not told of a success
            self.refused.append(Refusal(what, time.time(), f"{type(error).__name__} {' '.join(str(error).split())}"))
            self._done.wait(0.5)
            return None
        self.stored.append((what, time.time()))
        self._done.wait(_PAUSE)
        return said


class _Session:
    """One client's login, which it begins anew when its token is old, or when anything was refused."""

    def __init__(self, platform: Platform):
        self._platform = platform
        self._token, self._until = "", 0.0
        self._s3: Any = None

    def post(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._platform.ask(self._login(), "POST", f"/api/2.0/mlflow/{what}", json=body)
        if answer.status_code != 200:
            self._until = 0.0 if answer.status_code in (401, 403) else self._until
            raise NotStored(f"{answer.status_code} {answer.text[:150]}")
        return answer.json()

    def put(self, key: str, body: bytes) -> dict[str, Any]:
        token = self._login()
        self._s3 = self._s3 or self._platform.s3(token, **_S3)
        try:
            return self._s3.put_object(Bucket=self._platform.outputs["artifact_bucket"], Key=key, Body=body)
        except Exception:
            self._s3 = None
            raise

    def _login(self) -> str:
        if time.time() > self._until:
            with _one_by_one:
                self._token, self._s3 = self._platform.token("dev"), None
            self._until = time.time() + _TOKEN
        return self._token


def _told(of: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """A question that fails is a difference, too."""

    def asked(what: str) -> list[str]:
        try:
            return of(what)
        except Exception as error:
            return [f"{what}: {error}"]

    return asked
