"""Docker containers."""

import base64
import io
import tarfile
import time
from pathlib import Path
from typing import Any, NoReturn

from ..base import CheckError, InitFailed, Interrupted, ProviderError, ResourceType, log, pause
from ..values import UNKNOWN
from . import container_spec as spec
from . import durations
from .api import doing, present_image
from .container_schema import PROPERTIES

_TAIL = 20  # log lines that are shown of a container that did not come up
_SETTLE = 1.0  # seconds in which a container that "exits at once" does so
_UPDATABLE = ("restart", "maxRetryCount", "memory", "memoryReservation", "memorySwap", "cpuShares", "cpuSet")


class Container(ResourceType):
    """docker:index/container:Container; the id is the daemon's own.

    Like the official plugin, an update reaches the running container in its limits and its restart policy, and starts
    one that was found stopped though it must run; other properties that are updates (healthcheck, tmpfs, init, ...) are
    recorded and hold from the next replacement on. Unlike it, a container that exits at once though it must run is an
    error, and one that cannot be started is not left behind.
    Source: internal/provider/resource_docker_container_funcs.go of kreuzwerker/terraform-provider-docker.
    """

    token = "docker:index/container:Container"
    properties = PROPERTIES
    delete_before_replace = True
    meta = (
        '{"e2bfb730-ecaa-11e6-8f88-34363bc7c4c0":{"create":1200000000000,"delete":1200000000000,"update":1200000000000},'
        '"schema_version":"2"}'
    )

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs.get("wait") and "healthcheck" not in inputs:
            raise CheckError("wait", "'wait' needs a 'healthcheck' to wait for")
        healthcheck = inputs.get("healthcheck")
        for key in ("interval", "timeout", "startPeriod", "startInterval"):
            if (
                isinstance(healthcheck, dict)
                and healthcheck[key] != UNKNOWN
                and not durations.is_duration(healthcheck[key])
            ):
                reason = f"'healthcheck.{key}' is {healthcheck[key]!r}, not a duration like 30s, 1m0s or 500ms"
                raise CheckError(f"healthcheck.{key}", reason)
        for index, upload in enumerate(inputs.get("uploads", [])):
            given = [key for key in ("content", "contentBase64", "source") if key in upload]
            if upload != UNKNOWN and len(given) != 1:
                path = f"uploads[{index}]"
                raise CheckError(path, f"'{path}' takes exactly one of 'content', 'contentBase64' and 'source'")
        return inputs

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        present_image(client, inputs["image"])
        with doing(f"create container {name}"):
            id = client.create_container_from_config(spec.to_daemon(inputs), name)["Id"]
        try:
            self._prepare(client, id, inputs)
            if inputs["start"]:
                with doing(f"start container {name}"):
                    client.start(id)
        except ProviderError:
            client.remove_container(id, v=True, force=True)
            raise
        if inputs["start"]:
            self._come_up(client, id, inputs)
        return id, self._outputs(client, id, inputs)

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        from docker.errors import NotFound

        try:
            found = client.inspect_container(id)
        except NotFound:
            return None
        known = state or spec.imported(found, client.inspect_image(found["Image"]))
        return {**spec.from_daemon(found, known), "id": found["Id"]}

    def update(self, client: Any, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        name = inputs["name"]
        with doing(f"update container {name}"):
            if any(inputs.get(key, 0) != (state.get(key) or 0) for key in _UPDATABLE):
                client.update_container(
                    id,
                    restart_policy=spec.restart_policy(inputs),
                    mem_limit=_megabytes(inputs, "memory"),
                    mem_reservation=_megabytes(inputs, "memoryReservation"),
                    memswap_limit=_megabytes(inputs, "memorySwap"),
                    cpu_shares=inputs.get("cpuShares"),
                    cpuset_cpus=inputs.get("cpuSet"),
                )
            if inputs["mustRun"] and not state.get("mustRun") and inputs["start"]:
                client.start(id)
                self._come_up(client, id, inputs)
        outputs = self._outputs(client, id, {**state, **inputs})
        # what the daemon cannot change is recorded as it was asked for, else it would differ for ever
        recorded = {
            key: value for key, value in inputs.items() if not PROPERTIES[key].replaces and key not in _UPDATABLE
        }
        return {**outputs, **recorded}

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        from docker.errors import APIError, NotFound

        name = state.get("name", id)
        grace = state.get("destroyGraceSeconds") or 0
        with doing(f"remove container {name}"):
            try:
                if not state.get("attach"):
                    client.stop(id, timeout=grace)
                client.remove_container(id, v=bool(state.get("removeVolumes")), force=True)
            except NotFound:
                return
            except APIError as error:
                if "is already in progress" not in str(error):
                    raise

    def _prepare(self, client: Any, id: str, inputs: dict[str, Any]) -> None:
        """Puts the container into its networks and its files into it, before it starts."""
        name = inputs["name"]
        networks = inputs.get("networksAdvanced", [])
        if networks and inputs["networkMode"] == "bridge":
            with doing(f"take container {name} out of the default network"):
                client.disconnect_container_from_network(id, "bridge")
        for network in networks:
            with doing(f"connect container {name} to network {network['name']}"):
                client.connect_container_to_network(id, **spec.endpoint(network))
        for upload in inputs.get("uploads", []):
            with doing(f"upload {upload['file']} to container {name}"):
                client.put_archive(id, "/", _archive(upload))

    def _come_up(self, client: Any, id: str, inputs: dict[str, Any]) -> None:
        """Waits for what was asked for: its end, its health, or that it stays."""
        if inputs.get("attach"):
            client.wait(id, timeout=None)
        elif inputs.get("wait"):
            try:
                self._become_healthy(client, id, inputs)
            except Interrupted:
                # it may well become healthy; the sign for the next update to go on waiting
                outputs = {**self._outputs(client, id, inputs), "mustRun": False}
                said = f"the wait for container {inputs['name']} to become healthy was interrupted"
                raise InitFailed(id, outputs, [f"{said}; the next up takes it up again"]) from None
        elif inputs["mustRun"]:
            give_up = time.monotonic() + _SETTLE
            while time.monotonic() < give_up:
                state = client.inspect_container(id)["State"]
                if not state["Running"] or state["Restarting"]:
                    said = f"exited with code {state['ExitCode']} at once, though it must run"
                    self._fail(client, id, inputs, said)
                time.sleep(0.1)

    def _become_healthy(self, client: Any, id: str, inputs: dict[str, Any]) -> None:
        log(f"waiting for {inputs['name']} to become healthy")
        started = time.monotonic()
        while True:
            state = client.inspect_container(id)["State"]
            status = state.get("Health", {}).get("Status", "without a healthcheck")
            waited = int(time.monotonic() - started)
            if status == "healthy":
                return
            if state["Status"] in ("exited", "dead"):
                self._fail(client, id, inputs, f"exited with code {state['ExitCode']} before it was healthy")
            if waited >= inputs["waitTimeout"]:
                probes = state.get("Health", {}).get("Log") or []
                probe = f"; its healthcheck last said: {probes[-1]['Output'].strip()}" if probes else ""
                self._fail(client, id, inputs, f"was not healthy within {waited} s, but {status}{probe}")
            pause(0.2)

    def _fail(self, client: Any, id: str, inputs: dict[str, Any], said: str) -> NoReturn:
        """The container stays as it is, to be looked at; without its image in the state it is replaced next time."""
        lines = client.logs(id, tail=_TAIL).decode(errors="replace").splitlines()
        tail = "".join(f"\n    {line}" for line in lines) or " nothing"
        outputs = self._outputs(client, id, inputs)
        outputs["image"] = ""
        raise InitFailed(id, outputs, [f"container {inputs['name']} {said}; its log says:{tail}"])

    def _outputs(self, client: Any, id: str, known: dict[str, Any]) -> dict[str, Any]:
        outputs = spec.from_daemon(client.inspect_container(id), known)
        outputs["mustRun"] = known["mustRun"]
        if known.get("attach") and known.get("logs"):
            outputs["containerLogs"] = client.logs(id).decode(errors="replace")
        return outputs


def _megabytes(inputs: dict[str, Any], key: str) -> int | None:
    value = inputs.get(key)
    return value * 1024 * 1024 if value and value > 0 else value


def _archive(upload: dict[str, Any]) -> bytes:
    """A tar archive that holds the one file, at its absolute path."""
    if "contentBase64" in upload:
        content = base64.b64decode(upload["contentBase64"])
    elif "source" in upload:
        content = Path(upload["source"]).read_bytes()
    else:
        content = upload["content"].encode()
    entry = tarfile.TarInfo(upload["file"].lstrip("/"))
    entry.size = len(content)
    entry.mtime = int(time.time())
    entry.mode = (
        int(upload["permissions"], 8) if upload.get("permissions") else 0o744 if upload.get("executable") else 0o644
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
