"""Certificates in the course of time: replaced when they are due, and not before."""

from datetime import UTC, datetime

from offline.providers.values import UNKNOWN

from ..harness import Plugin, Resource
from .making import CA, HOUR, KEY, LEAF, REQUEST, SELF_SIGNED, SIGNED, Clock, certificate, key_of, leaf_of, request_of


def test_times_are_told_to_the_nanosecond_and_certified_to_the_second(plugin: Plugin, clock: Clock):
    clock.nanoseconds = 1795680718_937341180
    made = leaf_of(plugin)
    assert made.outputs["validityStartTime"] == "2026-11-26T08:11:58.93734118Z"
    assert made.outputs["validityEndTime"] == "2027-02-24T08:11:58.93734118Z"
    assert certificate(made).not_valid_before_utc == datetime(2026, 11, 26, 8, 11, 58, tzinfo=UTC)
    assert certificate(made).not_valid_after_utc == datetime(2027, 2, 24, 8, 11, 58, tzinfo=UTC)
    clock.nanoseconds = 1795680718_000000000
    assert leaf_of(plugin).outputs["validityStartTime"] == "2026-11-26T08:11:58Z"


def test_a_certificate_is_replaced_from_the_hour_of_its_renewal_and_not_before(plugin: Plugin, clock: Clock):
    made = leaf_of(plugin)
    clock.pass_hours(2160 - 720 - 0.01)
    assert plugin.diff(made, made.inputs).kind == "none"
    assert plugin.refresh(made) == made
    clock.pass_hours(0.02)
    due = plugin.diff(made, made.inputs)
    assert (due.kind, due.paths) == ("replace", {"readyForRenewal": "UPDATE_REPLACE"})
    found = plugin.refresh(made)
    assert found is not None
    assert found.outputs == {**made.outputs, "readyForRenewal": True}
    assert found.inputs == made.inputs
    assert plugin.diff(found, made.inputs) == due
    fresh = plugin.create(SIGNED, made.inputs)
    assert fresh.outputs["readyForRenewal"] is False
    assert fresh.id != made.id
    assert plugin.diff(fresh, fresh.inputs).kind == "none"


def test_only_what_is_due_is_renewed(plugin: Plugin, clock: Clock):
    key = key_of(plugin)
    authority = plugin.create(SELF_SIGNED, {**CA, "privateKeyPem": key.outputs["privateKeyPem"]})
    request = request_of(plugin)
    of_ca = {"caCertPem": authority.outputs["certPem"], "caPrivateKeyPem": key.outputs["privateKeyPem"]}
    leaf = plugin.create(SIGNED, {**LEAF, **of_ca, "certRequestPem": request.outputs["certRequestPem"]})
    clock.pass_hours(2160)
    kinds = {made.token: plugin.diff(made, made.inputs).kind for made in (key, authority, request, leaf)}
    assert kinds == {KEY: "none", SELF_SIGNED: "none", REQUEST: "none", SIGNED: "replace"}
    clock.pass_hours(87600)
    assert plugin.diff(authority, authority.inputs).kind == "replace"
    assert plugin.diff(key, key.inputs).kind == plugin.diff(request, request.inputs).kind == "none"


def test_another_time_of_renewal_is_an_update_unless_it_has_come(plugin: Plugin, clock: Clock):
    made = leaf_of(plugin)
    clock.pass_hours(1000)
    later = {**made.inputs, "earlyRenewalHours": 24}
    difference = plugin.diff(made, later)
    assert (difference.kind, set(difference.paths)) == ("update", {"earlyRenewalHours"})
    updated = plugin.update(made, later)
    assert updated.outputs == {**made.outputs, "earlyRenewalHours": 24}
    assert plugin.diff(made, {**made.inputs, "earlyRenewalHours": 1200}).kind == "replace"
    clock.pass_hours(500)
    found = plugin.refresh(made)
    assert found is not None and found.outputs["readyForRenewal"] is True
    assert plugin.diff(found, later).kind == "update", "put off, it is not due any more"
    assert plugin.preview(SIGNED, later, found)["readyForRenewal"] == UNKNOWN
    assert plugin.update(found, later).outputs["readyForRenewal"] is False
    without = {name: value for name, value in made.inputs.items() if name != "earlyRenewalHours"}
    assert plugin.diff(made, without).kind == "update"
    assert plugin.update(made, without).outputs["earlyRenewalHours"] == 0


def test_a_state_of_the_official_plugin_in_another_time_zone_is_renewed_in_time(plugin: Plugin, clock: Clock):
    made = leaf_of(plugin)
    local = {**made.outputs, "validityEndTime": "2027-02-24T11:31:58.937341186+01:00"}
    made = Resource(SIGNED, made.id, made.inputs, local)
    end = int(datetime(2027, 2, 24, 10, 31, 58, tzinfo=UTC).timestamp()) * 10**9
    for late, kind in ((-1, "none"), (1, "replace")):
        clock.nanoseconds = end + (late - 720) * HOUR
        assert plugin.diff(made, made.inputs).kind == kind


def test_a_certificate_that_is_due_from_the_start_says_so(plugin: Plugin):
    made = leaf_of(plugin, earlyRenewalHours=2160)
    assert made.outputs["readyForRenewal"] is True
    assert plugin.diff(made, made.inputs).kind == "replace"


def test_a_preview_knows_what_stays(plugin: Plugin):
    made = leaf_of(plugin)
    shown = plugin.preview(SIGNED, {**made.inputs, "earlyRenewalHours": 1}, made)
    assert shown["certPem"] == made.outputs["certPem"]
    fresh = plugin.preview(SIGNED, {**made.inputs, "certRequestPem": UNKNOWN, "allowedUses": UNKNOWN})
    assert fresh["certPem"] == fresh["validityEndTime"] == UNKNOWN
    unknown = {"subject": UNKNOWN, "dnsNames": [UNKNOWN], "ipAddresses": [UNKNOWN], "privateKeyPem": UNKNOWN}
    assert plugin.preview(REQUEST, unknown)["certRequestPem"] == UNKNOWN
    assert plugin.diff(made, {**made.inputs, "earlyRenewalHours": UNKNOWN}).kind == "update"
