"""Objects up and down, straight to MinIO's servers and through gateways, in rounds that take turns.

The client is curl with signed links: it costs little, and does the same work on every way (boto3 signs other things
over https than over http).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import cast

from side_by_side.gateways import KNOBS, S3, Gateway, Gateways, Knob
from side_by_side.stage import BenchError, Stage, archive
from side_by_side.store import Store, links

GOALS = {"gateway, http": 0.95, "gateway, https": 0.85}
DIRECT = "direct"
_CLIENT = 5  # address
_AUTHORITY = "/bench/authority.pem"


@dataclass(frozen=True)
class Load:
    """What is moved at a time: objects of so many MB each."""

    objects: int
    size: int
    connections: int = 1

    @property
    def megabytes(self) -> int:
        return self.objects * self.size

    def __str__(self) -> str:
        at_once = f", {self.connections} at once" if self.connections > 1 else ""
        return f"{self.objects} x {self.size} MB{at_once}"


LOADS = (Load(200, 1, connections=4), Load(1, 1000))
KNOB_LOADS = (Load(60, 1, connections=4), Load(1, 250))


@dataclass(frozen=True)
class Way:
    """How the objects travel."""

    name: str
    hosts: Sequence[str]
    gateway: Gateway | None = None
    client: Sequence[str] = ()


@dataclass
class Figures:
    """All rounds of one way: seconds, and processor seconds of each part."""

    seconds: list[float] = field(default_factory=list)
    gateway: list[float] = field(default_factory=list)
    minio: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> list[float]:
        return [sum(parts) for parts in zip(self.gateway, self.minio, self.client, strict=True)]


class Mover:
    """The client's container, and what it asks for."""

    def __init__(self, stage: Stage, gateways: Gateways, store: Store):
        self._stage, self._store = stage, store
        self._client = stage.start("client", _CLIENT, gateways.image, ["infinity"], entrypoint="sleep")
        self._client.put_archive("/", archive({_AUTHORITY: gateways.authority}))
        for size in {load.size for load in (*LOADS, *KNOB_LOADS)}:
            made = ["sh", "-c", f"head -c {size}000000 /dev/urandom > /tmp/{size}"]
            if self._client.exec_run(made).exit_code:
                raise BenchError("The client has no place for what it is to upload.")

    def prepare(self, way: Way, loads: Sequence[Load]) -> None:
        """Writes down for curl what it is to do; does it once where it is small, which finds what is cold."""
        for load in loads:
            for direction in ("up", "down"):
                text = self._told(way, load, direction)
                self._client.put_archive("/", archive({self._file(way, load, direction): text}))
                if load.objects > 1:
                    self.move(way, load, direction, Figures())

    def move(self, way: Way, load: Load, direction: str, figures: Figures) -> None:
        before = self._used(way)
        script = f"date +%s.%N; curl -K '{self._file(way, load, direction)}' || exit; date +%s.%N; times"
        code, output = self._client.exec_run(["sh", "-c", script])
        lines = cast(bytes, output).decode().splitlines()
        if code or lines[1:-3] != ["200"] * load.objects:
            raise BenchError(f"{load} {direction}, {way.name}: curl ended with {code} and said {lines[:5]}")
        after = self._used(way)
        figures.seconds.append(float(lines[-3]) - float(lines[0]))
        figures.gateway.append(after[0] - before[0])
        figures.minio.append(after[1] - before[1])
        figures.client.append(sum(map(_seconds, lines[-1].split())))  # of the shell's children

    def _used(self, way: Way) -> tuple[float, float]:
        gateway = self._stage.cpu(way.gateway.container) if way.gateway else 0.0
        return gateway, sum(map(self._stage.cpu, self._store.nodes))

    def _told(self, way: Way, load: Load, direction: str) -> str:
        """What curl reads as its options, https://curl.se/docs/manpage.html#-K."""
        gateway = way.gateway
        keys = [f"{load.size}-{number}" for number in range(load.objects)]
        secure = gateway is not None and gateway.scheme == "https"
        lines = ["silent", "show-error", "fail", 'header = "Expect:"', 'write-out = "%{http_code}\\n"']
        lines += way.client if "http2" in way.client else ["http1.1", *way.client]
        if gateway:
            lines += [f'resolve = "{S3}:{gateway.port}:{gateway.address}"', f'cacert = "{_AUTHORITY}"']
        if load.connections > 1:
            lines += ["parallel", "parallel-immediate", f"parallel-max = {load.connections}"]
        for link in links(way.hosts, keys, direction, secure=secure):
            lines += [
                f'url = "{link}"',
                f'upload-file = "/tmp/{load.size}"' if direction == "up" else 'output = "/dev/null"',
            ]
        return "\n".join([*lines, ""])

    @staticmethod
    def _file(way: Way, load: Load, direction: str) -> str:
        return f"/bench/{way.name}, {load}, {direction}".replace(" ", "_")


def _seconds(time: str) -> float:
    """Of the shell's `1m2.34s`."""
    minutes, _, seconds = time.rstrip("s").partition("m")
    return int(minutes) * 60 + float(seconds)


def compare(
    mover: Mover, ways: Sequence[Way], loads: Sequence[Load], rounds: int
) -> dict[tuple[Load, str], dict[str, Figures]]:
    """The figures of every way, by load and direction."""
    for way in ways:
        mover.prepare(way, loads)
    found = {(load, direction): {way.name: Figures() for way in ways} for load in loads for direction in ("up", "down")}
    for (load, direction), figures in found.items():
        for turn in range(rounds):
            start = turn % len(ways)
            for way in [*ways[start:], *ways[:start]]:
                mover.move(way, load, direction, figures[way.name])
        print(f"{load} {direction}: done", file=sys.stderr)
    return found


def shape_rows(mover: Mover, store: Store, gateways: Gateways, rounds: int) -> list[list[str]]:
    """What the gateway costs by http and by https, beside none."""
    ways = [Way(DIRECT, store.addresses), *(_way(f"gateway, {it}", gateways.get(it)) for it in ("http", "https"))]
    rows = []
    for (load, direction), figures in compare(mover, ways, LOADS, rounds).items():
        for way in ways:
            its = figures[way.name]
            of_cpu = ratios(figures[DIRECT].cpu, its.cpu)
            goal = GOALS.get(way.name)
            met = "" if goal is None else "met" if median(of_cpu) >= goal else "missed"
            row = [str(load), direction, way.name, f"{load.megabytes / median(its.seconds):.0f}"]
            row += [
                shown(ratios(figures[DIRECT].seconds, its.seconds)),
                shown(of_cpu),
                met,
                *cpu_per_megabyte(load.megabytes, its),
            ]
            rows.append(row)
    return rows


def knob_rows(mover: Mover, gateways: Gateways, rounds: int) -> list[list[str]]:
    """What a knob brings, beside the gateway as it is."""
    plain = {scheme: f"{scheme}, as it is" for scheme in ("http", "https")}
    ways = [
        *(_way(name, gateways.get(scheme)) for scheme, name in plain.items()),
        *(_way(knob.name, gateways.get(knob.scheme, knob.edits), knob) for knob in KNOBS),
    ]
    rows = []
    for (load, direction), figures in compare(mover, ways, KNOB_LOADS, rounds).items():
        for way in ways:
            its = figures[way.name]
            reference = figures[plain[way.name.partition(",")[0]]]
            row = [str(load), direction, way.name, f"{load.megabytes / median(its.seconds):.0f}"]
            row += [shown(ratios(reference.seconds, its.seconds)), shown(ratios(reference.cpu, its.cpu))]
            rows.append([*row, shown(ratios(reference.gateway, its.gateway)), *cpu_per_megabyte(load.megabytes, its)])
    return rows


def _way(name: str, gateway: Gateway, knob: Knob | None = None) -> Way:
    return Way(name, [f"{S3}:{gateway.port}"], gateway, knob.client if knob else ())


def ratios(reference: Sequence[float], its: Sequence[float]) -> list[float]:
    """Of rounds side by side; above 1 is better than the reference."""
    return sorted(one / other for one, other in zip(reference, its, strict=True))


def shown(ratios: Sequence[float]) -> str:
    """The median, and in brackets from where to where, without the best and the worst of many; `ratios` in order."""
    inner = ratios[1:-1] if len(ratios) > 4 else ratios
    return f"{median(ratios):.2f} ({inner[0]:.2f} to {inner[-1]:.2f})"


def cpu_per_megabyte(megabytes: int, figures: Figures) -> list[str]:
    return [
        f"{median(part) * 1000 / megabytes:.2f}"
        for part in (figures.gateway, figures.minio, figures.client, figures.cpu)
    ]


_PARTS = [f"CPU ms/MB, {part}" for part in ("gateway", "MinIO", "client", "all")]
HEADING = ["objects", "direction", "way", "MB/s", "of direct", "of direct, by CPU", "goal by CPU", *_PARTS]
KNOB_HEADING = [
    "objects",
    "direction",
    "gateway",
    "MB/s",
    "of as it is",
    "by all CPU",
    "by the gateway's CPU",
    *_PARTS,
]
