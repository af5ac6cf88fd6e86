"""The stack's network and its volumes, and how every container of the stack is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker
from pulumi import Input, ResourceOptions

from components.durations import go_duration


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """One container: what differs between services. Memory is in MB, intervals are Docker's durations."""

    image: Input[str]
    healthcheck: Sequence[str]
    memory_mb: int
    command: Sequence[Input[str]] | None = None
    envs: Sequence[Input[str]] = ()
    files: Mapping[str, Input[str]] = field(default_factory=dict)  # path in the container -> content
    volumes: Mapping[str, Input[str]] = field(default_factory=dict)  # path in the container -> volume
    ports: Sequence[docker.ContainerPortArgs] = ()
    alias: str | None = None  # a host name that several services share
    start_seconds: int = 180  # how long it may take to become healthy
    interval: str = "2s"


class Network(pulumi.ComponentResource):
    """One bridge network per stack. Whatever joins it is found by its service name and by nothing outside."""

    keep_data: bool
    """Whether what holds data, volumes and what the servers keep on them, outlives the stack."""

    def __init__(self, name: str, prefix: str, keep_data: bool, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Network", name, None, opts)
        self.keep_data = keep_data
        self._prefix = prefix
        self._labels = {"mlflow-platform.stack": pulumi.get_stack(), "mlflow-platform.prefix": prefix}
        self._bridge = docker.Network(
            name,
            name=prefix,
            driver="bridge",
            labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in self._labels.items()],
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"name": self._bridge.name})

    def volume(self, name: str, parent: pulumi.Resource) -> docker.Volume:
        """A named volume for data; kept when the stack goes, where the settings say so."""
        return docker.Volume(
            name,
            name=f"{self._prefix}-{name}",
            labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in self._labels.items()],
            opts=ResourceOptions(parent=parent, retain_on_delete=self.keep_data),
        )

    def service(self, name: str, args: ServiceArgs, opts: ResourceOptions) -> docker.Container:
        """A container that counts as made once its healthcheck passes. On the network its host name is `name`."""
        return docker.Container(
            name,
            name=f"{self._prefix}-{name}",
            image=args.image,
            command=list(args.command) if args.command else None,
            envs=list(args.envs) or None,
            uploads=[docker.ContainerUploadArgs(file=file, content=text) for file, text in args.files.items()] or None,
            volumes=[
                docker.ContainerVolumeArgs(volume_name=volume, container_path=path)
                for path, volume in args.volumes.items()
            ]
            or None,
            ports=list(args.ports) or None,
            hostname=name,
            network_mode="bridge",  # what the provider reads back: unset, every refresh would differ
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(
                    name=self._bridge.name, aliases=[name, *([args.alias] if args.alias else [])]
                )
            ],
            labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in self._labels.items()],
            restart="unless-stopped",
            memory=args.memory_mb,
            memory_swap=args.memory_mb,  # without it the daemon refuses later changes of memory
            capabilities=docker.ContainerCapabilitiesArgs(drops=["CAP_NET_RAW"]),
            security_opts=["no-new-privileges"],
            log_driver="json-file",
            log_opts={"max-size": "10m", "max-file": "3"},
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
