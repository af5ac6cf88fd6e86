"""The stack's networks and its volumes, and how every container of the stack is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pulumi
import pulumi_docker as docker
from pulumi import Input, Output, ResourceOptions

from components.durations import go_duration

_FRONT = "front"


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """One container: what differs between services. Memory is in MB, intervals are Docker's durations."""

    image: Input[str]
    healthcheck: Sequence[str]
    memory_mb: int
    log_mb: int = 30  # of which the oldest third makes room
    user: str | None = None  # else the image's own
    entrypoints: Sequence[str] = ()
    command: Sequence[Input[str]] | None = None
    envs: Sequence[Input[str]] = ()
    files: Mapping[str, Input[str]] = field(default_factory=dict)  # path in the container -> content
    volumes: Mapping[str, Input[str]] = field(default_factory=dict)  # path in the container -> volume, or host's folder
    shared: Mapping[str, Input[str]] = field(default_factory=dict)  # the same, of another service, to read alone
    memory_folders: Mapping[str, int] = field(default_factory=dict)  # path -> MB of its memory; empty at each start
    disk_folders: Sequence[str] = ()  # writable, begin with what the image has there, and go with the container
    capabilities: Sequence[str] = ()  # without CAP_; all others are dropped
    ports: Sequence[docker.ContainerPortArgs] = ()
    alias: str | None = None  # a host name that several services share
    start_seconds: int = 180  # how long it may take to become healthy
    interval: str = "2s"


class Networks(pulumi.ComponentResource):
    """The bridge networks of one stack: whatever joins one is found there by its service name, and by nothing else."""

    def __init__(self, name: str, prefix: str, keep_data: bool, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Network", name, None, opts)
        self._name, self._prefix, self._keep_data = name, prefix, keep_data
        self._labels = {"mlflow-platform.stack": pulumi.get_stack(), "mlflow-platform.prefix": prefix}
        self._bridges: dict[str, docker.Network] = {}
        self.register_outputs({})

    def joining(self, *names: str) -> "Network":
        """What to run services with that are on all of these networks; who names one first makes it."""
        bridges = {name: self._bridges.get(name) or self._bridge(name) for name in names}
        self._bridges |= bridges
        return Network(self._prefix, self._labels, self._keep_data, [bridge.name for bridge in bridges.values()])

    def _bridge(self, name: str) -> docker.Network:
        suffix = "" if name == _FRONT else f"-{name}"
        return docker.Network(
            f"{self._name}{suffix}",
            name=f"{self._prefix}{suffix}",
            driver="bridge",
            labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in self._labels.items()],
            opts=ResourceOptions(parent=self),
        )


class Network:
    """One or more networks, as a service sees them: whom it reaches there, and nobody else."""

    keep_data: bool
    """Whether what holds data, volumes and what the servers keep on them, outlives the stack."""

    def __init__(self, prefix: str, labels: Mapping[str, str], keep_data: bool, names: Sequence[Output[str]]):
        self.keep_data = keep_data
        self._prefix, self._labels, self._names = prefix, labels, names

    def volume(self, name: str, parent: pulumi.Resource) -> docker.Volume:
        """A named volume for data; kept when the stack goes, where the settings say so."""
        return docker.Volume(
            name,
            name=f"{self._prefix}-{name}",
            labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in self._labels.items()],
            opts=ResourceOptions(parent=parent, retain_on_delete=self.keep_data),
        )

    def service(self, name: str, args: ServiceArgs, opts: ResourceOptions) -> docker.Container:
        """A container that counts as made once its healthcheck passes. On its networks its host name is `name`.

        It writes to its volumes and folders alone; its files it can only read.
        """
        volumes = [
            self._mounted(path, volume, read_only=read_only)
            for mounted, read_only in ((args.volumes, False), (args.shared, True))
            for path, volume in mounted.items()
        ]
        folders = [docker.ContainerVolumeArgs(container_path=path) for path in args.disk_folders]
        return docker.Container(
            name,
            name=f"{self._prefix}-{name}",
            image=args.image,
            user=args.user,
            entrypoints=list(args.entrypoints) or None,
            command=list(args.command) if args.command else None,
            envs=list(args.envs) or None,
            volumes=[*volumes, *folders, *self._files(name, args, opts)] or None,
            read_only=True,
            tmpfs={path: f"size={megabytes}m,mode=1777" for path, megabytes in args.memory_folders.items()} or None,
            ports=list(args.ports) or None,
            hostname=name,
            network_mode="bridge",  # what the provider reads back: unset, every refresh would differ
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(
                    name=network, aliases=[name, *([args.alias] if args.alias else [])]
                )
                for network in self._names
            ],
            labels=self._container_labels(),
            restart="unless-stopped",
            memory=args.memory_mb,
            memory_swap=args.memory_mb,  # without it the daemon refuses later changes of memory
            capabilities=docker.ContainerCapabilitiesArgs(
                drops=["ALL"], adds=[f"CAP_{name}" for name in args.capabilities] or None
            ),
            security_opts=["no-new-privileges"],
            log_driver="json-file",
            log_opts={"max-size": f"{args.log_mb // 3}m", "max-file": "3"},
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=list(args.healthcheck),
                interval=args.interval,
                timeout="10s",
                start_period=go_duration(args.start_seconds),
                retries=5,
            ),
            wait=True,
            wait_timeout=args.start_seconds,
            must_run=True,
            destroy_grace_seconds=20,
            opts=opts,
        )

    @staticmethod
    def _mounted(path: str, source: Input[str], *, read_only: bool) -> docker.ContainerVolumeArgs:
        of_the_host = isinstance(source, str) and source.startswith("/")
        return docker.ContainerVolumeArgs(
            host_path=source if of_the_host else None,
            volume_name=None if of_the_host else source,
            container_path=path,
            read_only=read_only or None,
        )

    def _files(self, name: str, args: ServiceArgs, opts: ResourceOptions) -> list[docker.ContainerVolumeArgs]:
        """The volumes with a service's files, in folders that hold what the image has there, too.

        The provider uploads to a container's root, which Docker refuses where that is read-only. So a second container
        takes the files, which never starts, and lends its volumes. They have no names: they go with it.
        """
        if not args.files:
            return []
        folders = sorted({str(PurePosixPath(file).parent) for file in args.files})
        holder = docker.Container(
            f"{name}-files",
            name=f"{self._prefix}-{name}-files",
            image=args.image,
            uploads=[docker.ContainerUploadArgs(file=file, content=text) for file, text in args.files.items()],
            volumes=[docker.ContainerVolumeArgs(container_path=folder) for folder in folders],
            network_mode="none",
            labels=self._container_labels({"mlflow-platform.files": name}),
            start=False,
            must_run=False,
            opts=ResourceOptions(parent=opts.parent),
        )
        # By its id, which changes with a file's content: the service is replaced with its files.
        return [docker.ContainerVolumeArgs(from_container=Output.concat(holder.id, ":ro"))]

    def _container_labels(self, more: Mapping[str, str] | None = None) -> list[docker.ContainerLabelArgs]:
        labels = {**self._labels, **(more or {})}
        return [docker.ContainerLabelArgs(label=key, value=value) for key, value in labels.items()]
