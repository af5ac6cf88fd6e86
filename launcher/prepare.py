"""Everything that must be there before Pulumi runs, made side by side where that saves time."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from launcher import base_image, docker_engine, engines, images, toolchain, venv
from launcher.console import done, say
from launcher.paths import Paths
from launcher.processes import stop_running
from launcher.stack import Stack


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    stack: str
    engine: str
    install: bool

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Request":
        return cls(stack=options.stack, engine=options.engine, install=not options.no_install)


def stack(paths: Paths, request: Request, *, images_too: bool) -> Stack:
    """The stack with the environment that its engine needs; makes what is missing for that."""
    docker_engine.ensure(paths, install=request.install)
    mode, reason = images.mode(paths, request.stack)
    done(f"images: {mode} ({reason})")
    venv.create(paths, install=request.install)
    with side_by_side() as start:
        packages = start(lambda: venv.fill(paths, "platform"))
        engine = start(lambda: _engine(paths, request.engine, packages))
        built = start(lambda: toolchain.ensure(paths) if engine.result() == "offline" else None)
        if images_too and mode == "local":
            base = start(lambda: base_image.ensure(paths, install=request.install))
            start(lambda: _ahead(paths, request.stack, engine, (packages, base)))
    environment = {**engines.environment(paths, engine.result(), built.result()), images.VARIABLE: mode}
    return Stack(request.stack, paths.root, paths.own, environment)


def _engine(paths: Paths, wanted: str, packages: Future[None]) -> str:
    if wanted != "offline" and engines.official_cli(paths):
        packages.result()  # the SDKs say which plugins there must be
    name, reason = engines.choose(wanted, paths)
    done(f"engine: {name} ({reason})")
    return name


def _ahead(paths: Paths, stack: str, engine: Future[str], needed: Iterable[Future[None]]) -> None:
    """The image that takes longest is built beside the CLI, where that has to be; Pulumi finds its layers done."""
    if engine.result() == "offline" and not toolchain.made(paths):
        for each in needed:
            each.result()
        images.ensure(paths, stack, "minio")


@contextmanager
def side_by_side() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Threads for steps that wait on other programs; the first failure, or Ctrl-C, ends them all."""
    with ThreadPoolExecutor() as pool:
        started: list[Future[Any]] = []

        def start(work: Callable[[], Any]) -> Future[Any]:
            started.append(pool.submit(work))
            return started[-1]

        try:
            yield start
            wait(started, return_when=FIRST_EXCEPTION)
            for future in started:
                if future.done() and (error := future.exception()):
                    raise error
        except BaseException as error:
            if any(not future.done() for future in started):
                say(f"   ... stopping the other steps ({type(error).__name__})")
            stop_running()
            raise
