"""The object store's console in a real browser: single sign-on, and what each team may do there."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from functools import cache
from urllib.parse import unquote

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.browser import Person, page_elsewhere
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

_NOTE = FilePayload(name="from-the-console", mimeType="text/plain", buffer=b"by hand")


def enter(person: Person, platform: Platform, user: str) -> None:
    """The way in: from the console to Keycloak and back."""
    person.open(platform.outputs["minio_console_url"])
    person.page.get_by_role("button", name="Keycloak").click()
    person.log_in(user)


@pytest.fixture(scope="module")
def inside(platform: Platform, someone: Callable[[str], Person]) -> Callable[[str], Person]:
    """Whoever has logged in to the console, once."""

    @cache
    def log_in(user: str) -> Person:
        person = someone(f"console {user}")
        enter(person, platform, user)
        expect(person.page).to_have_url(re.compile(r"/browser$"))
        return person

    return log_in


def look_into_the_bucket(person: Person, platform: Platform) -> Page:
    person.open(f"{platform.outputs['minio_console_url']}/browser/{platform.outputs['artifact_bucket']}")
    expect(person.page.get_by_role("button", name="Refresh")).to_be_enabled()
    return person.page


@pytest.mark.parametrize(("user", "access"), [("ada", "R/W"), ("dev", "R/W"), ("vera", "R")])
def test_everybody_of_a_team_lands_on_the_bucket(
    platform: Platform, inside: Callable[[str], Person], user: str, access: str
):
    inside(user).open(platform.outputs["minio_console_url"])
    page = inside(user).page
    row = page.get_by_role("row").filter(has_text=platform.outputs["artifact_bucket"])
    expect(row.get_by_role("gridcell").last).to_have_text(access)
    inside(user).saw("buckets")
    expect(page.get_by_role("button", name="Policies")).to_have_count(1 if user == "ada" else 0)
    assert inside(user).elsewhere() == set()


@pytest.mark.parametrize("user", ["ada", "dev", "vera"])
def test_everybody_of_a_team_sees_the_artifacts(
    platform: Platform, trained: str, inside: Callable[[str], Person], user: str
):
    page = look_into_the_bucket(inside(user), platform)
    models = [key for key in platform.objects(platform.token("dev")) if key.endswith("/MLmodel")]
    for folder in models[0].split("/")[:-1]:
        page.get_by_role("gridcell", name=folder, exact=True).click()
        expect(page).to_have_url(re.compile(rf"{folder}%2F$"))
    expect(page.get_by_role("gridcell", name="MLmodel", exact=True)).to_be_visible()
    inside(user).saw("artifacts")


def test_a_developer_uploads(platform: Platform, inside: Callable[[str], Person]):
    page = look_into_the_bucket(inside("dev"), platform)
    page.locator("input[type=file]").first.set_input_files([_NOTE])
    expect(page.get_by_role("gridcell", name=_NOTE["name"])).to_be_visible()
    inside("dev").saw("uploaded")
    s3, it = platform.s3(platform.token("dev")), {"Bucket": platform.outputs["artifact_bucket"], "Key": _NOTE["name"]}
    assert s3.get_object(**it)["Body"].read() == _NOTE["buffer"]
    s3.delete_object(**it)


def test_the_list_of_objects_comes_by_a_websocket_of_the_consoles_own_address(
    platform: Platform, inside: Callable[[str], Person]
):
    page = inside("dev").page
    with page.expect_websocket() as opened:
        look_into_the_bucket(inside("dev"), platform)
    console = platform.outputs["minio_console_url"].replace("http", "ws", 1)
    assert opened.value.url.startswith(f"{console}/ws/objectManager")


def test_a_link_that_is_shared_gives_the_object_to_whoever_has_it_and_nothing_else(
    platform: Platform, inside: Callable[[str], Person]
):
    s3, it = platform.s3(platform.token("dev")), {"Bucket": platform.outputs["artifact_bucket"], "Key": "shared.txt"}
    version = s3.put_object(**it, Body=b"for all who have the link")["VersionId"]
    bucket = f"{platform.outputs['minio_console_url']}/api/v1/buckets/{it['Bucket']}"
    asked = f"{bucket}/objects/share?prefix={it['Key']}&version_id={version}&expires=60s"
    shared = inside("dev").context.request.get(asked).json()
    assert shared.startswith(platform.outputs["minio_console_url"])
    assert httpx.get(shared, trust_env=False).content == b"for all who have the link"

    start, _, packed = shared.rpartition("/")
    link = base64.urlsafe_b64decode(packed + "==").decode()
    other = base64.urlsafe_b64encode(link.replace("shared.txt", "other.txt").encode()).rstrip(b"=").decode()
    assert httpx.get(f"{start}/{other}", trust_env=False).status_code >= 400
    s3.delete_object(**it)


def test_a_viewer_uploads_nothing(platform: Platform, inside: Callable[[str], Person]):
    page = look_into_the_bucket(inside("vera"), platform)
    expect(page.get_by_role("button", name="Upload")).to_be_disabled()
    inside("vera").saw("no upload")
    bucket = f"{platform.outputs['minio_console_url']}/api/v1/buckets/{platform.outputs['artifact_bucket']}"
    uploaded = inside("vera").context.request.post(f"{bucket}/objects/upload?prefix=forged", multipart={"7": _NOTE})
    assert uploaded.status == 403
    assert "forged" not in platform.objects(platform.token("dev"))


@pytest.mark.parametrize("user", ["dev", "vera"])
def test_nobody_makes_access_keys_that_outlive_his_session(
    platform: Platform, inside: Callable[[str], Person], user: str
):
    wanted = {"accessKey": f"kept-by-{user}", "secretKey": "not-for-long-1", "policy": ""}
    for path in ("service-accounts", "service-account-credentials"):
        console = f"{platform.outputs['minio_console_url']}/api/v1/{path}"
        refused = inside(user).context.request.post(console, data=wanted)
        assert (refused.status, "secretKey" in refused.text()) == (403, False), path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])  # of the same site, to which cookies go; and of another
def test_a_page_of_another_origin_uploads_nothing_in_ones_name(
    platform: Platform, inside: Callable[[str], Person], host: str
):
    bucket = f"{platform.outputs['minio_console_url']}/api/v1/buckets/{platform.outputs['artifact_bucket']}"
    target = f"{bucket}/objects/upload?prefix=forged"
    form = f"""<form method=post enctype=multipart/form-data action="{target}"><input type=file name=4></form><script>
        const files = new DataTransfer();
        files.items.add(new File(["evil"], "forged"));
        document.querySelector("input").files = files.files;
        document.forms[0].submit()</script>"""
    page = inside("dev").page
    with page_elsewhere(form) as port, page.expect_response(target) as answer:
        inside("dev").open(f"http://{host}:{port}/")
    assert answer.value.status == 403
    assert "forged" not in platform.objects(platform.token("dev"))


def test_a_session_lasts_as_long_as_other_storage_credentials(inside: Callable[[str], Person]):
    [ends_at] = [it.get("expires", 0) for it in inside("dev").context.cookies() if it.get("name") == "token"]
    assert 0 < ends_at - time.time() <= 3600


def test_a_session_is_not_opened_with_what_answers_show_cve_2026_113466(
    platform: Platform, inside: Callable[[str], Person]
):
    """It is sealed with a key of root's secret; the deployment's id, which everybody may learn, was all of it."""
    sealed = base64.b64decode(unquote(inside("dev").cookies()["token"]))
    format_of_drive = platform.stack.run("minio-1", ["cat", "/data1/.minio.sys/format.json"])
    salt = json.loads(format_of_drive)["id"].encode()
    secret = platform.outputs["minio_root"]["password"].encode()
    with pytest.raises(InvalidTag):
        _opened(sealed, salt, salt)
    assert b"stsAccessKeyID" in _opened(sealed, hmac.digest(secret, salt, "sha256").hex().encode(), salt)


def _opened(sealed: bytes, passphrase: bytes, salt: bytes) -> bytes:
    """As the console does; source: pkg/auth/token.go of minio/console."""
    if sealed[0]:
        pytest.skip("the console seals with ChaCha20 where a processor has no AES, and this test opens AES alone")
    key = hashlib.pbkdf2_hmac("sha1", passphrase, salt, 4096, 32)
    return AESGCM(hmac.digest(key, sealed[1:17], "sha256")).decrypt(sealed[17:29], sealed[29:], b"")


def test_whoever_is_in_no_team_is_told_why_he_is_not_let_in(platform: Platform, someone: Callable[[str], Person]):
    guest = someone("console guest")
    enter(guest, platform, "guest")
    expect(guest.page.get_by_text("Policy claim missing")).to_be_visible()
    expect(guest.page.get_by_role("button", name="Back to Login")).to_be_visible()
    guest.saw("refused")
    assert "token" not in guest.cookies()
    assert guest.context.request.get(f"{platform.outputs['minio_console_url']}/api/v1/buckets").status == 403
