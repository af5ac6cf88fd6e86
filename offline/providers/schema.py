"""The vocabulary of the stand-ins: a property, a resource type, its errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

MISSING: Any = object()

Shape = type | Mapping[str, "Prop"]  # a scalar type, or the properties of a nested object


@dataclass(frozen=True)
class Prop:
    """One property of a resource type, in Pulumi's spelling.

    type        str, int, float, bool, list or dict
    of          what a list or dict holds: a scalar type, or a mapping of Props for nested objects. A dict whose `of` is
                a mapping of Props is one object with those properties; with a scalar type it is a free map.
    required    the program must set it
    default     put into the inputs where the program leaves it out (the official plugin's default in inputs)
    implied     what leaving it out means; compared and returned in outputs, but not put into the inputs
    auto_name   left out, it becomes the resource's name and seven hex digits
    computed    left out, the server chooses: whatever it chose is no difference
    output      never an input
    replaces    a change of it replaces the resource
    secret      always a secret in the state, even where the program gave plain text
    unordered   a list whose order means nothing
    volatile    an update may change it, so that its preview shows it as unknown: any update, or one of the input named
    write_only  neither compared nor returned
    same        decides whether two values mean the same where plain equality is too strict (JSON text, durations)
    """

    type: type
    of: Shape | None = None
    required: bool = False
    default: Any = MISSING
    implied: Any = MISSING
    auto_name: bool = False
    computed: bool = False
    output: bool = False
    replaces: bool = False
    secret: bool = False
    unordered: bool = False
    volatile: bool | str = False
    write_only: bool = False
    same: Callable[[Any, Any], bool] | None = None


class ResourceType:
    """One resource type: data first, then create, read, update and delete.

    The four methods run in a worker thread, get plain Python values (secrets opened, numbers without a fraction as int)
    and return plain outputs. They may call `base.log` to report progress, wait with `base.pause`, and raise
    `ProviderError` for whatever the reader can put right.
    """

    token: ClassVar[str]
    properties: ClassVar[Mapping[str, Prop]]
    delete_before_replace: ClassVar[bool] = False
    id_in_outputs: ClassVar[bool] = True
    meta: ClassVar[str | None] = None
    """The `__meta` of the official plugin's state, where it needs one to read ours (its schema version is not 0)."""

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What no single Prop can say: returns the inputs, normalised, or raises `CheckError`. Must contact nothing.

        Inputs may hold `values.UNKNOWN` at any place during a preview.
        """
        return inputs

    def comparable(self, state: dict[str, Any]) -> dict[str, Any]:
        """The part of the state that new inputs are compared with."""
        return state

    def outdated(self, state: dict[str, Any], inputs: dict[str, Any]) -> Iterable[str]:
        """The outputs that time alone has changed, such as of a certificate that is due for renewal.

        Each is a difference though no input changed, with the effect that its Prop has: `replaces`, or an update.
        Inputs may hold `values.UNKNOWN`, as in `check`.
        """
        return ()

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Makes the resource; returns its id and outputs."""
        raise NotImplementedError

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        """The outputs as the server has them now, None when it is gone. State is {} at an import.

        Outputs with an "id" of their own correct the id that an import was given.
        """
        raise NotImplementedError

    def update(self, client: Any, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        """Changes the resource in place; returns its outputs."""
        raise NotImplementedError

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        """Removes the resource; one that is already gone counts as removed."""
        raise NotImplementedError


class ProviderError(Exception):
    """Something the reader can put right: one clear sentence naming the thing and the remedy."""


class CheckError(ProviderError):
    """An input that cannot be right, found before anything is done."""

    def __init__(self, path: str, reason: str):
        super().__init__(reason)
        self.path = path
        self.reason = reason


class InitFailed(ProviderError):
    """The resource exists but did not come up; it stays in the state with the reasons."""

    def __init__(self, id: str, outputs: dict[str, Any], reasons: Sequence[str]):
        super().__init__(" ".join(reasons))
        self.id = id
        self.outputs = outputs
        self.reasons = list(reasons)


class Interrupted(ProviderError):
    """The engine was told to stop (Ctrl-C) while something was waited for."""
