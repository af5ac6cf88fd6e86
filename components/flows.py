"""Flows of logins: what Keycloak asks of somebody, step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

import pulumi
import pulumi_keycloak.authentication as authentication
from pulumi import Input, Output, ResourceOptions

Requirement = Literal["REQUIRED", "ALTERNATIVE", "CONDITIONAL"]


def _in_tens() -> Iterator[int]:
    return count(10, 10)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A flow of a realm, or a part of one, whose steps come in the order in which they are declared.

    All steps that a realm has are made one by one, in one list: Keycloak (26.7) answers 500 to whoever lists a flow
    while another step is half made.
    """

    prefix: str  # of the resources' names
    realm_id: Output[str]
    opts: ResourceOptions
    alias: Output[str]
    steps: list[pulumi.Resource]
    _priorities: Iterator[int] = field(default_factory=_in_tens)  # of its own steps

    @classmethod
    def new(
        cls,
        prefix: str,
        name: str,
        alias: str,
        *,
        realm_id: Output[str],
        steps: list[pulumi.Resource],
        opts: ResourceOptions,
    ) -> "Flow":
        """A flow of its own, of which a realm has one by this alias; `steps` are the realm's so far."""
        flow = authentication.Flow(
            f"{prefix}-{name}",
            realm_id=realm_id,
            alias=alias,
            provider_id="basic-flow",
            opts=ResourceOptions.merge(opts, ResourceOptions(depends_on=steps[-1:])),
        )
        steps.append(flow)
        return cls(prefix=prefix, realm_id=realm_id, opts=opts, alias=flow.alias, steps=steps)

    def part(self, name: str, alias: str, requirement: Requirement) -> "Flow":
        """A part of it with steps of its own; the realm has no other flow or part by this alias."""
        part = authentication.Subflow(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            parent_flow_alias=self.alias,
            alias=alias,
            provider_id="basic-flow",
            requirement=requirement,
            priority=next(self._priorities),
            opts=self._after_the_last(),
        )
        self.steps.append(part)
        return replace(self, alias=part.alias, _priorities=_in_tens())

    def step(
        self,
        name: str,
        authenticator: str,
        requirement: Requirement = "REQUIRED",
        config: Mapping[str, Input[str]] | None = None,
    ) -> None:
        """One of Keycloak's authenticators or conditions, with what it is told."""
        step = authentication.Execution(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            parent_flow_alias=self.alias,
            authenticator=authenticator,
            requirement=requirement,
            priority=next(self._priorities),
            opts=self._after_the_last(),
        )
        self.steps.append(step)
        if config:
            told = authentication.ExecutionConfig(
                f"{self.prefix}-{name}",
                realm_id=self.realm_id,
                execution_id=step.id,
                alias=f"{self.prefix}-{name}",
                config=config,
                opts=self._after_the_last(),
            )
            self.steps.append(told)

    def _after_the_last(self) -> ResourceOptions:
        return ResourceOptions.merge(self.opts, ResourceOptions(depends_on=self.steps[-1:]))
