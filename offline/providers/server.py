"""Serves a provider to the engine, with the three things that the SDK's own `server.main` leaves out.

Errors reach the user as their own sentence (the SDK lets gRPC wrap them in "Unexpected <class ...>"), and a resource
that was made but did not come up is reported as such (ErrorResourceInitFailed in pulumi's provider.proto), so that the
engine keeps it in the state. And a plugin whose engine is gone, were it killed, ends as well.
"""

import asyncio
import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from . import engine
from .base import StandIn
from .schema import InitFailed, ProviderError

_WATCH = 1.0  # seconds between two looks whether the engine still lives


class Servicer(ProviderServicer):
    """The SDK's servicer, with readable errors and partial failures."""

    def __init__(self, provider: StandIn, engine_address: str = ""):
        super().__init__([], provider.version, provider, engine_address)
        self.stand_in = provider

    async def Check(self, request: Any, context: Any) -> Any:
        return await self._reporting(super().Check, request, context)

    async def Diff(self, request: Any, context: Any) -> Any:
        return await self._reporting(super().Diff, request, context)

    async def Create(self, request: Any, context: Any) -> Any:
        return await self._reporting(super().Create, request, context)

    async def Read(self, request: Any, context: Any) -> Any:
        return await self._reporting(super().Read, request, context)

    async def Update(self, request: Any, context: Any) -> Any:
        return await self._reporting(super().Update, request, context)

    async def Delete(self, request: Any, context: Any) -> Any:
        return await self._reporting(super().Delete, request, context)

    async def _reporting(self, method: Callable[..., Any], request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except InitFailed as error:
            details = self._init_failed(error, request)
            metadata = (("grpc-status-details-bin", details.SerializeToString()),)
            await context.abort(grpc.StatusCode.UNKNOWN, str(error), metadata)
        except ProviderError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:  # a fault of ours or of a client library: say which, and where
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
            await context.abort(grpc.StatusCode.UNKNOWN, f"{type(error).__name__} in {place}: {error}")

    def _init_failed(self, error: InitFailed, request: Any) -> Any:
        type_ = self.stand_in.type_of(request.urn)
        outputs = self.stand_in.wrapped_outputs(type_, error.id, error.outputs)
        inputs = request.properties if isinstance(request, provider_pb2.CreateRequest) else request.news
        failed = provider_pb2.ErrorResourceInitFailed(
            id=error.id, properties=PropertyValue.marshal_map(outputs), inputs=inputs, reasons=error.reasons
        )
        details = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
        details.details.add().Pack(failed)
        return details


def serve(provider: StandIn) -> None:
    """A plugin's main: the engine's address is the first argument that is not an option."""
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not addresses:
        sys.exit(f"pulumi-resource-{provider.package} is started by the Pulumi engine, with the engine's address")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(provider, addresses[0]))


async def _serve(provider: StandIn, engine_address: str) -> None:
    parent = os.getppid()
    engine.connect(engine_address)
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider, engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    while os.getppid() == parent:
        await asyncio.sleep(_WATCH)
    os._exit(1)  # nobody is left to tell, so nothing that still runs in a thread is waited for
