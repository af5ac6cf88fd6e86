"""Stacks of another shape, or next to each other; each takes minutes."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Platform, brought_up

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_artifacts_are_written_and_read_while_one_of_four_minio_nodes_is_down(has_pulumi: None, tmp_path: Path):
    with brought_up(tmp_path, {"storage": {"nodes": 4, "drives": 2}}) as stack:
        platform = Platform(stack, stack.outputs())
        assert set(stack.preview()) == {"same"}
        assert sum("minio" in str(container.name) for container in stack.containers()) == 4
        s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
        s3.put_object(Bucket=bucket, Key="before", Body=b"before")

        stack.container("minio-2").stop(timeout=20)

        for number in range(12):  # more than once around the nodes
            s3.put_object(Bucket=bucket, Key=f"during-{number}", Body=bytes([number]) * 1_000_000)
            assert s3.get_object(Bucket=bucket, Key="before")["Body"].read() == b"before"
            assert s3.get_object(Bucket=bucket, Key=f"during-{number}")["Body"].read() == bytes([number]) * 1_000_000
        stack.container("minio-2").start()


def test_two_stacks_share_a_machine_and_no_tokens(platform: Platform, tmp_path: Path):
    with brought_up(tmp_path) as stack:
        other = Platform(stack, stack.outputs())
        whoami = "/api/2.0/mlflow/users/current"
        for home, abroad in ((platform, other), (other, platform)):
            token = home.token("dev")
            assert home.ask(token, "GET", whoami).status_code == 200
            assert abroad.ask(token, "GET", whoami).status_code == 401


def test_a_stack_comes_up_again_after_its_end_from_the_images_that_were_built(has_pulumi: None, tmp_path: Path):
    """How long that takes, bench/up.py measures; what could make it long is an image that is built once more."""
    with brought_up(tmp_path) as stack:
        built = [container.attrs["Image"] for container in stack.containers()]
        stack.destroy()
        assert stack.clear() == []
        stack.up()
        assert [container.attrs["Image"] for container in stack.containers()] == built
        platform = Platform(stack, stack.outputs())
        assert platform.objects(platform.token("dev")) == set()
