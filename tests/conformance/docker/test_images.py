"""Images: built here, and pulled."""

from pathlib import Path

import pytest

from offline.providers.docker import context

from ..harness import Case, Plugin, Refused, live
from .inputs import BASE, IMAGE, REMOTE_IMAGE


def test_a_remote_image_lives(plugin: Plugin, prefix: str):
    name = f"{prefix}/remote:1"
    plugin.client.tag(BASE, f"{prefix}/remote", "1")
    live(
        plugin,
        Case(
            REMOTE_IMAGE,
            {"name": name},
            update={"name": name, "forceRemove": True},
            replace={"name": BASE},
            vanish=lambda made: plugin.client.remove_image(name),
            unimportable={"forceRemove"},
        ),
    )


def test_a_kept_image_outlives_its_resource(plugin: Plugin, prefix: str):
    plugin.client.tag(BASE, f"{prefix}/kept", "1")
    made = plugin.create(REMOTE_IMAGE, {"name": f"{prefix}/kept:1", "keepLocally": True})
    plugin.delete(made)
    assert plugin.client.images(f"{prefix}/kept")


def test_an_image_is_built_rebuilt_and_left_behind(plugin: Plugin, prefix: str, tmp_path: Path):
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {BASE} AS one\nARG WORD\nRUN echo $WORD > /word\nCOPY data /data\n")
    (tmp_path / "data").write_text("1")
    inputs = {
        "imageName": f"{prefix}/app:dev",
        "skipPush": True,
        "build": {
            "context": str(tmp_path),
            "dockerfile": str(dockerfile),
            "platform": "linux/amd64",
            "args": {"WORD": "hi"},
        },
    }
    made = plugin.create(IMAGE, inputs)
    assert made.id == f"{prefix}/app:dev"
    assert made.outputs["repoDigest"] == plugin.client.inspect_image(made.id)["Id"]
    assert made.outputs["dockerfile"] == "Dockerfile"
    assert plugin.diff(made, inputs).kind == "none"
    assert plugin.refresh(made) == made

    (tmp_path / "data").write_text("2")
    assert plugin.diff(made, inputs).paths.keys() == {"build.contextDigest"}
    assert plugin.diff(made, inputs).kind == "update"
    again = plugin.update(made, inputs)
    assert again.outputs["repoDigest"] != made.outputs["repoDigest"]
    plugin.client.remove_image(made.outputs["repoDigest"])
    plugin.delete(again)
    assert plugin.client.images(made.id)


def test_a_failed_build_names_the_image_the_step_and_its_output(plugin: Plugin, prefix: str, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo before; echo the reason >&2; exit 7\n")
    with pytest.raises(Refused) as failed:
        plugin.create(
            IMAGE,
            {
                "imageName": f"{prefix}/bad:dev",
                "skipPush": True,
                "build": {"context": str(tmp_path), "platform": "linux/amd64"},
            },
        )
    message = str(failed.value)
    assert message.startswith(f"cannot build image {prefix}/bad:dev: Step 2/2 : RUN")
    assert "non-zero code: 7" in message
    assert {"    before", "    the reason"} <= set(message.splitlines())


def test_a_missing_dockerfile_is_named(plugin: Plugin, tmp_path: Path):
    with pytest.raises(Refused, match="there is no Dockerfile"):
        plugin.check(IMAGE, {"imageName": "x", "build": {"context": str(tmp_path)}})


# Digests that the official plugin's own algorithm gave for the tree below, by its .dockerignore.
DIGESTS = {
    "": "327bd85bce6d7419b25e050da17dee6c882723cae3afc8fe7c13150de5ef5e92",
    "# comment\n.git\n*.md\n!keep/**/*.md\n/node\n**/*.log\nsp ace/f[0-9].txt\n": (
        "28116c23ba06dd84c2539db3b2f1a8bd45c67228d89bdb7c175db70ed6fb47d5"
    ),
    "*\n!a": "c069439690726a7d6c2c0302c80c6721e77c0d7e8bded8a20baf7aa19f8363b8",
    "**\n!**/*.js": "6848b11e9f6ab464d7a4b82a841fa2a6fcf1df97888641a79cefc6030e9bc22c",
    "keep/*\n!keep/deep\na/**": "661d3127a930867b3b0c428c9d3b6bb354d1e84901fd4feb861c1b92729378d7",
}


@pytest.mark.parametrize(("ignored", "expected"), DIGESTS.items())
def test_the_context_digest_is_the_official_one(
    tmp_path: Path, ignored: str, expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    files = {"Dockerfile": "FROM scratch\nCOPY . /\n", "a/one.txt": "one", "a/b/two.log": "two", "a.txt": "x"}
    files |= {".git/config": "g", "keep/deep/k.md": "k", "README.md": "r", "node/x/n.js": "n", "sp ace/f1.txt": "2"}
    for name, content in {**files, ".dockerignore": ignored}.items():
        path = tmp_path / "ctx" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o644)
    (tmp_path / "ctx/a/one.txt").chmod(0o755)
    (tmp_path / "ctx/link").symlink_to("a/one.txt")
    (tmp_path / "ctx/keep/dirlink").symlink_to("../a/b")
    assert context.digest("ctx", "ctx/Dockerfile") == expected
