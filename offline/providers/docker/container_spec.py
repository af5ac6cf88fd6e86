"""A container's properties in the daemon's terms, and the daemon's answer in the properties' terms."""

from collections.abc import Mapping
from typing import Any

from ..schema import Prop
from . import durations
from .api import label_map
from .container_schema import PROPERTIES

_CONFIG = {  # property: the daemon's name in Config, same value in both
    "hostname": "Hostname",
    "domainname": "Domainname",
    "user": "User",
    "workingDir": "WorkingDir",
    "command": "Cmd",
    "entrypoints": "Entrypoint",
    "tty": "Tty",
    "stdinOpen": "OpenStdin",
    "stopSignal": "StopSignal",
    "stopTimeout": "StopTimeout",
}
_HOST = {  # the same for HostConfig
    "privileged": "Privileged",
    "publishAllPorts": "PublishAllPorts",
    "readOnly": "ReadonlyRootfs",
    "rm": "AutoRemove",
    "init": "Init",
    "runtime": "Runtime",
    "tmpfs": "Tmpfs",
    "dns": "Dns",
    "dnsOpts": "DnsOptions",
    "dnsSearches": "DnsSearch",
    "securityOpts": "SecurityOpt",
    "cpuShares": "CpuShares",
    "cpuSet": "CpusetCpus",
    "networkMode": "NetworkMode",
    "usernsMode": "UsernsMode",
    "sysctls": "Sysctls",
    "ipcMode": "IpcMode",
    "groupAdds": "GroupAdd",
    "storageOpts": "StorageOpt",
}
_HOST_WRITTEN = {  # sent, but never read back by the official plugin
    "pidMode": "PidMode",
    "cgroupParent": "CgroupParent",
    "cgroupnsMode": "CgroupnsMode",
    "cpuPeriod": "CpuPeriod",
    "cpuQuota": "CpuQuota",
}
_MEGABYTES = {
    "memory": "Memory",
    "memoryReservation": "MemoryReservation",
    "memorySwap": "MemorySwap",
    "shmSize": "ShmSize",
}
_UNREAD = (
    "cgroupParent",
    "cgroupnsMode",
    "containerLogs",
    "cpuPeriod",
    "cpuQuota",
    "cpus",
    "exitCode",
    "gpus",
    "pidMode",
)
_ZEROS: dict[type, Any] = {str: "", int: 0, bool: False, list: [], dict: {}}


def to_daemon(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request that creates the container."""
    body: dict[str, Any] = {daemon: inputs[name] for name, daemon in _CONFIG.items() if name in inputs}
    body |= {
        "Image": inputs["image"],
        "Env": inputs.get("envs"),
        "Labels": label_map(inputs.get("labels")),
        "HostConfig": _host_config(inputs),
        "ExposedPorts": {_port_key(port): {} for port in inputs.get("ports", [])},
        "Volumes": {volume["containerPath"]: {} for volume in inputs.get("volumes", []) if "containerPath" in volume},
    }
    if "healthcheck" in inputs:
        check = inputs["healthcheck"]
        body["Healthcheck"] = {
            "Test": check["tests"],
            "Interval": durations.nanoseconds(check["interval"]),
            "Timeout": durations.nanoseconds(check["timeout"]),
            "StartPeriod": durations.nanoseconds(check["startPeriod"]),
            "Retries": check.get("retries", 0),
        }
    return body


def _host_config(inputs: Mapping[str, Any]) -> dict[str, Any]:
    names = _HOST | _HOST_WRITTEN
    host: dict[str, Any] = {daemon: inputs[name] for name, daemon in names.items() if name in inputs}
    host |= {daemon: _bytes(inputs[name]) for name, daemon in _MEGABYTES.items() if name in inputs}
    capabilities = inputs.get("capabilities", {})
    host |= {
        "RestartPolicy": restart_policy(inputs),
        "CapAdd": capabilities.get("adds"),
        "CapDrop": capabilities.get("drops"),
        "LogConfig": {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts")},
        "ExtraHosts": [f"{item['host']}:{item['ip']}" for item in inputs.get("hosts", [])],
        "Ulimits": [
            {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]} for limit in inputs.get("ulimits", [])
        ],
        "Binds": [_bind(volume) for volume in inputs.get("volumes", []) if _bind(volume)],
        "VolumesFrom": [volume["fromContainer"] for volume in inputs.get("volumes", []) if "fromContainer" in volume],
        "Mounts": [_mount(mount) for mount in inputs.get("mounts", [])],
        "PortBindings": _port_bindings(inputs.get("ports", [])),
        "DeviceRequests": _gpus(inputs.get("gpus")),
    }
    if "cpus" in inputs:
        host["NanoCpus"] = int(float(inputs["cpus"]) * 10**9)
    return host


def restart_policy(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": inputs.get("maxRetryCount", 0)}


def endpoint(network: Mapping[str, Any]) -> dict[str, Any]:
    """How the container joins a network, as the arguments of docker-py's connect_container_to_network."""
    return {
        "net_id": network["name"],
        "aliases": network.get("aliases"),
        "ipv4_address": network.get("ipv4Address") or None,
        "ipv6_address": network.get("ipv6Address") or None,
        "link_local_ips": network.get("linkLocalIps") or None,
        "mac_address": network.get("macAddress") or None,
        "driver_opt": dict(option.split("=", 1) for option in network.get("driverOpts", [])) or None,
    }


def from_daemon(found: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs, as the daemon's answer gives them; what it does not tell stays as the state has it."""
    config, host, network = found["Config"], found["HostConfig"], found["NetworkSettings"]
    outputs = {name: state.get(name, _zero(name, prop)) for name, prop in PROPERTIES.items()}
    outputs |= {name: config.get(daemon) or _zero(name) for name, daemon in _CONFIG.items()}
    outputs |= {name: host.get(daemon) or _zero(name) for name, daemon in _HOST.items()}
    outputs |= {name: _megabytes(host.get(daemon)) for name, daemon in _MEGABYTES.items()}
    outputs |= {
        "name": found["Name"].lstrip("/"),
        "image": found["Image"] if str(state.get("image")).startswith("sha256:") else config["Image"],
        "platform": found["Platform"],
        "bridge": network["Bridge"],
        "restart": host["RestartPolicy"]["Name"],
        "maxRetryCount": host["RestartPolicy"]["MaximumRetryCount"],
        "logDriver": host["LogConfig"]["Type"],
        "logOpts": host["LogConfig"]["Config"] if state.get("logOpts") else {},
        "hosts": [dict(zip(("host", "ip"), item.split(":", 1), strict=True)) for item in host["ExtraHosts"] or []],
        "networkDatas": [_network_data(name, endpoint) for name, endpoint in network["Networks"].items()],
    }
    if host["CapAdd"] or host["CapDrop"]:
        outputs["capabilities"] = {"adds": host["CapAdd"] or [], "drops": host["CapDrop"] or []}
    if host["Ulimits"] and state.get("ulimits"):
        outputs["ulimits"] = [{key.lower(): value for key, value in limit.items()} for limit in host["Ulimits"]]
    if state.get("ports") and (found["State"]["Running"] or state.get("mustRun")):
        outputs["ports"] = _ports(network["Ports"])
    if config.get("Healthcheck"):
        outputs["healthcheck"] = _healthcheck(config["Healthcheck"])
    if not found["State"]["Running"]:
        outputs["exitCode"] = found["State"]["ExitCode"]
        # the sign for the next update to start the container again, where the program says that it must run
        outputs["mustRun"] = False
    return {name: _filled(value, PROPERTIES[name]) for name, value in outputs.items()}


def imported(found: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The state that an import starts from: what the daemon tells only in comparison with the image, and defaults."""
    config, host = found["Config"], found["HostConfig"]
    own = image["Config"]
    labels = {key: value for key, value in (config["Labels"] or {}).items() if (own["Labels"] or {}).get(key) != value}
    return {
        **{name: prop.default for name, prop in PROPERTIES.items() if name in ("start", "mustRun", "removeVolumes")},
        "waitTimeout": PROPERTIES["waitTimeout"].default,
        "containerReadRefreshTimeoutMilliseconds": PROPERTIES["containerReadRefreshTimeoutMilliseconds"].default,
        "image": config["Image"],
        "envs": [item for item in config["Env"] or [] if item not in (own["Env"] or [])],
        "labels": [{"label": key, "value": value} for key, value in sorted(labels.items())],
        "volumes": [_volume(bind) for bind in host["Binds"] or []],
        "ports": _ports(found["NetworkSettings"]["Ports"]),
        "ulimits": host["Ulimits"] or [],
        "logOpts": host["LogConfig"]["Config"] or {},
        "networksAdvanced": [
            {
                "name": name,
                "aliases": [alias for alias in endpoint["Aliases"] or [] if alias != found["Id"][:12]],
            }
            for name, endpoint in found["NetworkSettings"]["Networks"].items()
            if name != host["NetworkMode"]
        ],
    }


def _zero(name: str, prop: Prop | None = None) -> Any:
    return None if name in _UNREAD else _ZEROS[(prop or PROPERTIES[name]).type]


def _filled(value: Any, prop: Prop) -> Any:
    """The value with every field of its objects present, as the bridge returns it."""
    if not isinstance(prop.of, Mapping) or not value:
        return value
    if isinstance(value, list):
        return [_filled(item, Prop(dict, of=prop.of)) for item in value]
    return {name: _filled(value.get(name, _ZEROS[field.type]), field) for name, field in prop.of.items()}


def _bytes(megabytes: int) -> int:
    return megabytes * 1024 * 1024 if megabytes > 0 else megabytes


def _megabytes(count: int | None) -> int:
    return count // 1024 // 1024 if count and count > 0 else count or 0


def _port_key(port: Mapping[str, Any]) -> str:
    return f"{port['internal']}/{port['protocol']}"


def _port_bindings(ports: list[dict[str, Any]]) -> dict[str, Any]:
    bindings: dict[str, Any] = {}
    for port in ports:
        external = {"HostIp": port["ip"], "HostPort": str(port.get("external") or "")}
        bindings.setdefault(_port_key(port), []).append(external)
    return bindings


def _ports(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    result = []
    for key, bindings in sorted((found or {}).items(), key=lambda item: int(item[0].split("/")[0])):
        internal, protocol = key.split("/")
        for binding in bindings or []:
            if binding["HostIp"] == "::":
                continue  # what the daemon adds by itself to a port that is open on every address
            result.append(
                {
                    "internal": int(internal),
                    "external": int(binding["HostPort"]),
                    "ip": binding["HostIp"],
                    "protocol": protocol,
                }
            )
    return result


def _bind(volume: Mapping[str, Any]) -> str | None:
    source = volume.get("volumeName") or volume.get("hostPath")
    if not source or "containerPath" not in volume:
        return None
    mode = ",".join(filter(None, ["ro" if volume.get("readOnly") else "rw", volume.get("selinuxRelabel")]))
    return f"{source}:{volume['containerPath']}:{mode}"


def _volume(bind: str) -> dict[str, Any]:
    source, path, *modes = bind.split(":")
    kind = "hostPath" if source.startswith("/") else "volumeName"
    return {kind: source, "containerPath": path, "readOnly": "ro" in ",".join(modes).split(",")}


def _mount(mount: Mapping[str, Any]) -> dict[str, Any]:
    body = {
        "Target": mount["target"],
        "Type": mount["type"],
        "Source": mount.get("source", ""),
        "ReadOnly": mount.get("readOnly", False),
    }
    if "bindOptions" in mount:
        body["BindOptions"] = {"Propagation": mount["bindOptions"].get("propagation", "")}
    if "tmpfsOptions" in mount:
        options = mount["tmpfsOptions"]
        body["TmpfsOptions"] = {"SizeBytes": options.get("sizeBytes", 0), "Mode": options.get("mode", 0)}
    return body


def _gpus(gpus: str | None) -> list[dict[str, Any]]:
    if not gpus:
        return []
    if gpus.startswith("device="):
        return [{"DeviceIDs": gpus.removeprefix("device=").split(","), "Capabilities": [["gpu"]]}]
    return [{"Count": -1 if gpus == "all" else int(gpus), "Capabilities": [["gpu"]]}]


def _healthcheck(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tests": found.get("Test", []),
        "interval": durations.text(found.get("Interval", 0)),
        "timeout": durations.text(found.get("Timeout", 0)),
        "startPeriod": durations.text(found.get("StartPeriod", 0)),
        "startInterval": durations.text(found.get("StartInterval", 0)),
        "retries": found.get("Retries", 0),
    }


def _network_data(name: str, endpoint: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "networkName": name,
        "ipAddress": endpoint["IPAddress"],
        "ipPrefixLength": endpoint["IPPrefixLen"],
        "gateway": endpoint["Gateway"],
        "globalIpv6Address": endpoint["GlobalIPv6Address"],
        "globalIpv6PrefixLength": endpoint["GlobalIPv6PrefixLen"],
        "ipv6Gateway": endpoint["IPv6Gateway"],
        "macAddress": endpoint["MacAddress"],
    }
