"""Steady work on the object store by several threads, and what became of every single request."""

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

PREFIX = "load/"
_SIZES = (1_000, 200_000, 2_000_000)  # bytes; the first is kept beside its metadata
_LONG = 30_000_000  # bytes of what takes seconds to read
_PAUSE = 0.02  # seconds between two requests of a thread
_PATIENCE = 300  # seconds that a thread may take to its end


@dataclass(frozen=True)
class Request:
    """One call, with the times (Unix, seconds) at which it began and ended."""

    method: str
    path: str
    began: float
    ended: float
    error: str | None


class Load:
    """Puts, gets and lists for as long as the block runs. What was put and acknowledged is in `kept`.

    `readers` are threads that read one large object slowly, so that there is always something under way.
    """

    def __init__(self, s3: Any, bucket: str, threads: int = 6, readers: int = 0):
        self._s3, self._bucket = s3, bucket
        self._name = f"{time.time_ns():x}"  # another load's objects are another's
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]
        self._threads += [threading.Thread(target=self._read_slowly) for _ in range(readers)]
        self._long = f"{PREFIX}{self._name}/long"
        self.kept: dict[str, str] = {}  # sha256 by key
        self.requests: list[Request] = []
        self.wrong: list[str] = []  # what was read or listed and was not what had been written

    def __enter__(self) -> "Load":
        body = random.Random(self._name).randbytes(_LONG)
        self._put(self._long, body)
        self.kept[self._long] = hashlib.sha256(body).hexdigest()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a request does not end"

    @property
    def failed(self) -> list[Request]:
        return [request for request in self.requests if request.error]

    def gap(self, since: float) -> float:
        """The longest time, in seconds, that nobody had an answer from then on."""
        ends = sorted(request.ended for request in self.requests if not request.error and request.ended >= since)
        return max(later - earlier for earlier, later in zip([since, *ends], ends, strict=False))

    def _work(self, number: int) -> None:
        prefix, mine = f"{PREFIX}{self._name}/{number}/", dict[str, str]()
        chance = random.Random(number)
        while not self._done.is_set():
            key, body = f"{prefix}{len(mine)}-{time.time_ns():x}", chance.randbytes(chance.choice(_SIZES))
            if self._call("PUT", key, lambda key=key, body=body: self._put(key, body)):
                mine[key] = self.kept[key] = hashlib.sha256(body).hexdigest()
            if mine:
                self._call("GET", read := chance.choice(list(mine)), lambda key=read: self._get(key, mine))
            self._call("GET", "", lambda: self._list(prefix, mine))

    def _read_slowly(self) -> None:
        def read() -> None:
            sha256 = hashlib.sha256()
            for chunk in self._s3.get_object(Bucket=self._bucket, Key=self._long)["Body"].iter_chunks(_LONG // 30):
                sha256.update(chunk)
                self._done.wait(0.1)
            if sha256.hexdigest() != self.kept[self._long]:
                self.wrong.append(f"{self._long} was read differently")

        while not self._done.is_set():
            self._call("GET", self._long, read)

    def _call(self, method: str, key: str, call: Callable[[], object]) -> bool:
        began, error = time.time(), None
        try:
            call()
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        path = f"/{self._bucket}/{key}" if key else f"/{self._bucket}"
        self.requests.append(Request(method, path, began, time.time(), error))
        self._done.wait(_PAUSE)
        return error is None

    def _put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def _get(self, key: str, known: Mapping[str, str]) -> None:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        if hashlib.sha256(body).hexdigest() != known[key]:
            self.wrong.append(f"{key} has {len(body)} bytes that were never written")

    def _list(self, prefix: str, known: Mapping[str, str]) -> None:
        """The first page; of what was written before, all that belongs there."""
        page = [it["Key"] for it in self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix).get("Contents", [])]
        missing = sorted(known.keys() - set(page))
        if missing and len(page) < 1000:
            self.wrong.append(f"{missing[0]} is not listed")


def differing(s3: Any, bucket: str, kept: Mapping[str, str]) -> list[str]:
    """The keys whose content is not what was written, with the reason."""
    found: list[str] = []
    for key, sha256 in kept.items():
        try:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            found.append(f"{key}: {error}")
        else:
            if hashlib.sha256(body).hexdigest() != sha256:
                found.append(f"{key}: another content")
    return found
