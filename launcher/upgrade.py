"""A new version of what has data: tried on a copy first, and switched to while nothing writes.

Until the switch a failure changes nothing: the old versions serve the old data. After it the way back is what was there
when the writers had stopped: the volume of the major version of PostgreSQL before, which is left as it was, or dumps.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from launcher import backups, inventory, mend, trial, versions
from launcher.console import Failure, say, step
from launcher.databases import Dumps
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.processes import answer
from launcher.scratch import Plan, Scratch, planned
from launcher.stack import Stack
from launcher.state import Made, State
from launcher.trial import DATA, DATABASE
from launcher.versions import TITLES, Change, Journal

_WRITERS = ("keycloak", "mlflow")  # each migrates its schema when it starts
_IMAGES, _SERVER = "Images", "Database"  # components of the program


@contextmanager
def around(paths: Paths, stack: Stack, state: State, *, accept_loss: bool) -> Iterator[None]:
    """Around an update: makes it safe where it changes a version, and costs nothing where it does not."""
    file = Journal.file(paths, stack.name)
    if not state.made:
        file.unlink(missing_ok=True)  # of a stack that is gone
    if not file.exists() and not versions.changes(versions.of_state(state), versions.wanted(paths.root, state)):
        yield
        return
    upgrade = _Upgrade(paths, stack)
    upgrade.go_on()
    if upgrade.changes:
        upgrade.prepare(accept_loss=accept_loss)
    try:
        yield
    except Failure as failure:
        raise Failure(f"{failure} {upgrade.way_back}") from failure
    upgrade.end()


def left_stopped(paths: Paths, stack: str, state: State, things: Sequence[Thing]) -> list[str]:
    """Ids of what is to wait, since an upgrade was interrupted while what it needs was not there, or not whole."""
    journal = Journal.read(Journal.file(paths, stack))
    if not journal:
        return []
    names = _WRITERS if _between_servers(journal, state, things) else journal.going_back
    return [made.id for made in _services(state, names)]


def _between_servers(journal: Journal, state: State, things: Sequence[Thing]) -> bool:
    """Whether the one database server went, and that the next one came is not written down."""
    there = {thing.key for thing in things}
    old = _volume(state) == journal.volume and any(made.key in there for made in _services(state, [DATABASE]))
    return journal.server_stands_by and not old


def forget(paths: Paths, stack: str, state: State) -> None:
    """After the end of the stack: removes what upgrades left, ways back too where data are not to be kept."""
    Journal.file(paths, stack).unlink(missing_ok=True)
    _dumps(paths, stack).remove()
    if not state.prefix:
        return
    Scratch(stack, state.prefix).clear()
    if not any(made.kept for made in state.made):
        for thing in inventory.things():
            if thing.kind == "volume" and thing.prefix == state.prefix:
                inventory.do(f"remove volume {thing.name}", ["volume", "rm", thing.name])


class _Upgrade:
    """One stack's, from the versions that its data are of to those that the program names."""

    def __init__(self, paths: Paths, stack: Stack) -> None:
        self._paths, self._stack, self._state = paths, stack, stack.state()
        self._file = Journal.file(paths, stack.name)
        known = Journal.read(self._file)
        self._unfinished = known is not None
        self._journal = known or Journal(versions.of_state(self._state))
        self._wanted = versions.wanted(paths.root, self._state)
        self._scratch = Scratch(stack.name, self._state.prefix or "")
        self._dumps = _dumps(paths, stack.name)
        self._switched = False

    @property
    def changes(self) -> list[Change]:
        return versions.changes(self._journal.versions, self._wanted)

    @property
    def way_back(self) -> str:
        kept = self._journal.volume
        if not kept and not self._journal.dumps:
            return "./platform up goes on from here."
        where = f"in volume {kept}" if kept else "in .platform"
        return (
            f"./platform up goes on from here; with the versions of before in components/images.py it serves the data "
            f"of before again, which are untouched {where}, without what was written since."
        )

    def end(self) -> None:
        self._file.unlink()
        self._dumps.remove()
        if kept := self._journal.volume:
            say(f" ! the databases of before stay in volume {kept}; docker volume rm deletes them")

    def go_on(self) -> None:
        """Puts in order what an interrupted upgrade left: the database server first, then those who need it."""
        self._scratch.clear()
        if _between_servers(self._journal, self._state, inventory.things()):
            self._switch_server(_services(self._state, _WRITERS))
        else:
            self._drop_unfinished()
        if self._journal.going_back:
            self._bring_back(self._journal.going_back)

    def prepare(self, *, accept_loss: bool) -> None:
        """Up to the point where the update itself is all that is left to do."""
        changes = self.changes
        say(f" ! an upgrade: {', '.join(map(str, changes))}")
        try:
            self._note()
            if backups.container(self._state):
                backups.now(self._paths, self._stack, self._state, base=True)
            if changed := {change.service for change in changes} & {DATABASE, *_WRITERS}:
                self._try_and_switch(changed, accept_loss=accept_loss)
        except Failure as failure:
            before = ", ".join(f"{TITLES[change.service]} {change.old}" for change in changes)
            raise failure if self._switched else Failure(f"{before} serves on, with all data: {failure}") from failure
        self._note(versions={**self._journal.versions, **self._wanted})

    def _try_and_switch(self, changed: Collection[str], *, accept_loss: bool) -> None:
        older = [change for change in self.changes if change.is_older and change.service in (DATABASE, *_WRITERS)]
        dumped = {change.service for change in older if self._journal.dumps.get(change.service) == change.new}
        if older and dumped == changed:
            self._bring_back(dumped)
            return
        self._stack.up(_IMAGES)
        plan = self._stack.planned()
        server, (old, new) = self._server(), (_volume(self._state), planned(plan, DATABASE).volumes[DATA])
        if not old:
            raise Failure("PostgreSQL has no volume in Pulumi's state; ./platform status says what there is.")
        to_before = bool(older) and self._may_go_to_before(older, old, new, accept_loss=accept_loss)
        if old != new and not to_before and new in _volumes():
            raise Failure(
                f"volume {new} has the databases of an earlier time; docker volume rm {new} deletes them, and then "
                "./platform up loads those of today."
            )
        touched = _WRITERS if DATABASE in changed else [name for name in _WRITERS if name in changed]
        if not to_before:
            trial.on_a_copy(self._paths, self._scratch, plan, server.name, touched)
        writers = _services(self._state, touched)
        try:
            self._stop(writers)
            if old == new:
                with step("what there is now, as a way back"):
                    self._dumps.keep(server.name, [name for name in touched if name in changed])
                self._note(dumps={name: self._journal.versions[name] for name in touched if name in changed})
            else:
                self._stand_by(plan, server, old, None if to_before else new)
            if DATABASE in changed:
                self._switch_server([made for made in writers if made.resource not in changed])
        except BaseException:
            for made in writers:
                answer(["docker", "start", made.id])
            self._drop_unfinished()
            raise

    def _server(self) -> Made:
        if servers := _services(self._state, [DATABASE]):
            return servers[0]
        raise Failure("PostgreSQL's container has vanished; ./platform up with the versions of before makes it anew.")

    def _may_go_to_before(self, older: Sequence[Change], old: str, new: str, *, accept_loss: bool) -> bool:
        """Whether an older version gets the volume of its own time; on what a newer one wrote none is let loose."""
        named = ", ".join(map(str, older))
        if old == new or new not in _volumes():
            raise Failure(f"{named} is a step back, onto data that a newer version wrote: restore a backup of before.")
        if not self._unfinished and not accept_loss:
            raise Failure(
                f"{named} is a step back, to the data of before in volume {new}, without what was written since: "
                f"./platform up --accept-loss does that, and leaves volume {old} as it is."
            )
        return True

    def _stop(self, writers: Sequence[Made]) -> None:
        for made in writers:
            inventory.do(f"stop {made}", ["stop", "--time", "20", made.id])
        say(f" ! nothing is written from here on: {', '.join(made.name for made in writers)} stopped")

    def _bring_back(self, services: Collection[str]) -> None:
        """The data of before an upgrade that did not come to its end, where PostgreSQL's major version is the same."""
        self._switched = True
        self._stop(_services(self._state, services))
        before = {service: self._journal.dumps[service] for service in services}
        self._note(versions={**self._journal.versions, **before}, going_back=sorted(services))
        with step(f"the data of before, of {' and '.join(TITLES[service] for service in services)}"):
            self._dumps.bring_back(self._server().name, services)
        self._note(going_back=[])

    def _stand_by(self, plan: Plan, server: Made, old: str, filled: str | None) -> None:
        """Brings all data to the volume that is to be filled, if any; the old one is no business of Pulumi's any more.

        It would else delete it together with the server that goes.
        """
        if filled:
            self._note(filled=filled)
            trial.load(self._paths, self._scratch, plan, server.name, filled)
        state = self._stack.state()
        urns = {made.urn for made in state.made if (made.kind, made.name) == ("volume", old)}
        self._stack.replace_state(state.without(urns))
        self._note(server_stands_by=True, volume=old)

    def _switch_server(self, then: Sequence[Made]) -> None:
        self._switched = True
        try:
            self._stack.up(_SERVER)
        except Failure as failure:
            raise Failure(f"{failure} {self.way_back}") from failure
        reached = {**self._journal.versions, DATABASE: self._wanted[DATABASE]}
        self._note(versions=reached, server_stands_by=False, filled=None)
        ids = {made.id for made in then}
        mend.start([thing for thing in inventory.things() if thing.id in ids])

    def _drop_unfinished(self) -> None:
        """What was being filled, unless it is what serves by now; it is loaded anew."""
        if not self._journal.filled or self._switched:
            return
        self._scratch.clear()
        if self._journal.filled in _volumes():
            inventory.do(f"remove volume {self._journal.filled}", ["volume", "rm", self._journal.filled])
        self._note(server_stands_by=False, volume=None, filled=None)

    def _note(self, **news: object) -> None:
        self._journal = replace(self._journal, **news)
        self._journal.write(self._file)


def _dumps(paths: Paths, stack: str) -> Dumps:
    return Dumps(paths.own / f"before-{stack}", paths.logs / "upgrade-way-back.log")


def _services(state: State, names: Collection[str]) -> list[Made]:
    return [made for made in state.made if made.kind == "container" and made.resource in names]


def _volumes() -> set[str]:
    return {thing.name for thing in inventory.things() if thing.kind == "volume"}


def _volume(state: State) -> str | None:
    """The one that the database server is on."""
    for resource in state.resources:
        if resource["type"] == "docker:index/container:Container" and resource["urn"].endswith(f"::{DATABASE}"):
            mounts = resource["inputs"].get("volumes") or []
            return next((mount["volumeName"] for mount in mounts if mount.get("containerPath") == DATA), None)
    return None
