"""Handshakes per processor second of the gateway."""

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from side_by_side.gateways import S3, STATIC_CERTIFICATE, Gateway, Gateways
from side_by_side.objects import shown
from side_by_side.stage import Stage, archive, run

SCRIPT = Path(__file__).with_name("shaking.py")
COUNT = 500
_CLIENT = 6  # address
_AUTHORITY = "/bench/authority.pem"
HEADING = ["handshake", "certificate", "handshakes a CPU second", "of full TLS 1.3 as it is"]


@dataclass(frozen=True)
class Kind:
    """What is done over and over."""

    version: str
    kind: str
    certificate: str

    @property
    def name(self) -> str:
        return f"TLS {self.version}, {self.kind}"


def handshakes(stage: Stage, image: str, gateways: Gateways, rounds: int) -> list[list[str]]:
    """The rows of the table; `image` has Python."""
    client = stage.start("shaking", _CLIENT, image, ["infinity"], entrypoint="sleep")
    client.put_archive("/", archive({_AUTHORITY: gateways.authority}))
    doors: Mapping[str, Gateway] = {
        "read at each, as it is": gateways.get("https"),
        "read once": gateways.get("https", STATIC_CERTIFICATE),
    }
    kinds = [Kind(*it) for it in itertools.product(("1.3", "1.2"), ("full", "resumed"), doors)]
    rates: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    for turn in range(rounds):
        start = turn % len(kinds)
        for kind in [*kinds[start:], *kinds[:start]]:
            gateway = doors[kind.certificate]
            before = stage.cpu(gateway.container)
            asked = [gateway.address, str(gateway.port), S3, _AUTHORITY, kind.version, kind.kind, str(COUNT)]
            run(client, SCRIPT, *asked)
            rates[kind].append(COUNT / (stage.cpu(gateway.container) - before))
    print("handshakes: done", file=sys.stderr)
    return [_row(kind, rates[kind], rates[kinds[0]]) for kind in kinds]


def _row(kind: Kind, rates: Sequence[float], reference: Sequence[float]) -> list[str]:
    ratios = sorted(one / other for one, other in zip(rates, reference, strict=True))
    return [kind.name, kind.certificate, f"{median(rates):.0f}", shown(ratios)]
