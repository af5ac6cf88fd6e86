"""The properties of a container: what replaces it, what the daemon chooses, what defaults hold.

Source: internal/provider/resource_docker_container.go of kreuzwerker/terraform-provider-docker. Devices and their rates
are the one thing of it that is not offered here.
"""

from ..base import Prop
from .api import LABELS

_STRINGS = Prop(list, of=str, replaces=True)
_STRING_SET = Prop(list, of=str, replaces=True, unordered=True)
_STRING_MAP = Prop(dict, of=str, replaces=True)

_PORT = {
    "internal": Prop(int, required=True),
    "external": Prop(int),
    "ip": Prop(str, default="0.0.0.0"),
    "protocol": Prop(str, default="tcp"),
}
_UPLOAD = {
    "file": Prop(str, required=True),
    "content": Prop(str),
    "contentBase64": Prop(str),
    "source": Prop(str),
    "sourceHash": Prop(str),
    "executable": Prop(bool),
    "permissions": Prop(str),
}
_VOLUME = {
    "containerPath": Prop(str),
    "volumeName": Prop(str),
    "hostPath": Prop(str),
    "fromContainer": Prop(str),
    "readOnly": Prop(bool),
    "selinuxRelabel": Prop(str),
}
_NETWORK = {
    "name": Prop(str, required=True),
    "aliases": Prop(list, of=str),
    "ipv4Address": Prop(str),
    "ipv6Address": Prop(str),
    "linkLocalIps": Prop(list, of=str),
    "macAddress": Prop(str),
    "driverOpts": Prop(list, of=str),
    "gwPriority": Prop(int),
}
_HEALTHCHECK = {
    "tests": Prop(list, of=str, required=True),
    "interval": Prop(str, default="0s"),
    "timeout": Prop(str, default="0s"),
    "startPeriod": Prop(str, default="0s"),
    "startInterval": Prop(str, default="0s"),
    "retries": Prop(int),
}
_MOUNT = {
    "target": Prop(str, required=True),
    "type": Prop(str, required=True),
    "source": Prop(str),
    "readOnly": Prop(bool),
    "bindOptions": Prop(dict, of={"propagation": Prop(str)}),
    "tmpfsOptions": Prop(dict, of={"mode": Prop(int), "sizeBytes": Prop(int)}),
}
_DEVICES = ("deviceReadBps", "deviceReadIops", "deviceRequests", "deviceWriteBps", "deviceWriteIops", "devices")

PROPERTIES: dict[str, Prop] = {
    "name": Prop(str, auto_name=True, replaces=True),
    "image": Prop(str, required=True, replaces=True),
    # the process
    "command": Prop(list, of=str, replaces=True, computed=True),
    "entrypoints": Prop(list, of=str, replaces=True, computed=True),
    "envs": Prop(list, of=str, replaces=True, computed=True, unordered=True),
    "hostname": Prop(str, replaces=True, computed=True),
    "domainname": Prop(str, replaces=True),
    "user": Prop(str, replaces=True, computed=True),
    "groupAdds": _STRING_SET,
    "workingDir": Prop(str, replaces=True, computed=True),
    "tty": Prop(bool, replaces=True),
    "stdinOpen": Prop(bool, replaces=True),
    "init": Prop(bool, computed=True),
    "stopSignal": Prop(str, replaces=True, computed=True),
    "stopTimeout": Prop(int, replaces=True, computed=True),
    "healthcheck": Prop(dict, of=_HEALTHCHECK, computed=True),
    "labels": Prop(list, of=LABELS.of, replaces=True, computed=True, unordered=True),
    # what it may do, and with how much
    "privileged": Prop(bool, replaces=True),
    "readOnly": Prop(bool, replaces=True),
    "capabilities": Prop(
        dict, of={"adds": Prop(list, of=str), "drops": Prop(list, of=str)}, replaces=True, unordered=True
    ),
    "securityOpts": Prop(list, of=str, replaces=True, computed=True, unordered=True),
    "ulimits": Prop(
        list,
        of={"name": Prop(str, required=True), "soft": Prop(int, required=True), "hard": Prop(int, required=True)},
        replaces=True,
        unordered=True,
    ),
    "sysctls": _STRING_MAP,
    "memory": Prop(int),
    "memoryReservation": Prop(int),
    "memorySwap": Prop(int),
    "shmSize": Prop(int, replaces=True, computed=True),
    "cpus": Prop(str, replaces=True),
    "cpuSet": Prop(str),
    "cpuShares": Prop(int),
    "cpuPeriod": Prop(int),
    "cpuQuota": Prop(int),
    "gpus": Prop(str, replaces=True),
    "runtime": Prop(str, replaces=True, computed=True),
    "platform": Prop(str, replaces=True, computed=True),
    "cgroupParent": Prop(str, replaces=True),
    "cgroupnsMode": Prop(str, replaces=True),
    "ipcMode": Prop(str, replaces=True, computed=True),
    "pidMode": Prop(str, replaces=True),
    "usernsMode": Prop(str, replaces=True),
    # files
    "uploads": Prop(list, of=_UPLOAD, replaces=True, unordered=True),
    "volumes": Prop(list, of=_VOLUME, replaces=True, unordered=True),
    "mounts": Prop(list, of=_MOUNT, replaces=True, unordered=True),
    "tmpfs": Prop(dict, of=str),
    "storageOpts": _STRING_MAP,
    # networks
    "networkMode": Prop(str, default="bridge", replaces=True),
    "networksAdvanced": Prop(list, of=_NETWORK, replaces=True, unordered=True),
    "ports": Prop(list, of=_PORT, replaces=True, unordered=True),
    "publishAllPorts": Prop(bool, replaces=True),
    "hosts": Prop(
        list, of={"host": Prop(str, required=True), "ip": Prop(str, required=True)}, replaces=True, unordered=True
    ),
    "dns": _STRING_SET,
    "dnsOpts": _STRING_SET,
    "dnsSearches": _STRING_SET,
    # logs
    "logDriver": Prop(str, replaces=True, computed=True),
    "logOpts": _STRING_MAP,
    # how it is kept
    "restart": Prop(str, default="no"),
    "maxRetryCount": Prop(int),
    "start": Prop(bool, default=True),
    "mustRun": Prop(bool, default=True),
    "wait": Prop(bool),
    "waitTimeout": Prop(int, default=60),
    "attach": Prop(bool),
    "logs": Prop(bool),
    "rm": Prop(bool),
    "removeVolumes": Prop(bool, default=True),
    "destroyGraceSeconds": Prop(int),
    "containerReadRefreshTimeoutMilliseconds": Prop(int, default=15000),
    # what the daemon tells
    "bridge": Prop(str, output=True),
    "containerLogs": Prop(str, output=True),
    "exitCode": Prop(int, output=True, volatile=True),
    "networkDatas": Prop(list, output=True, volatile=True),
    **{name: Prop(list, output=True) for name in _DEVICES},
}
