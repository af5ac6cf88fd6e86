"""Every container is killed at random moments, again and again, while clients write: nothing is lost, all heals."""

import os
import random
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.faults.conftest import Faulty, kill, until
from tests.e2e.faults.writers import Writers

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(2400)]
SECONDS = float(os.environ.get("FAULTS_SECONDS", "600"))
SEED = int(os.environ.get("FAULTS_SEED", secrets.randbelow(2**32)))
HEALED = 300.0  # seconds, of which Keycloak takes most and Docker waits up to 60 before it starts anything again


def test_what_clients_were_told_is_there_after_ten_minutes_of_kills(faulty: Faulty):
    print(f"\nFAULTS_SEED={SEED} FAULTS_SECONDS={SECONDS:.0f}")
    chance, killed = random.Random(SEED), Counter[str]()
    with Writers(faulty.platform) as writers:
        until_end = time.monotonic() + SECONDS
        names = [str(container.name) for container in faulty.stack.containers()]
        while time.monotonic() < until_end:
            for name in chance.sample(names, len(names)):
                service = name.removeprefix(f"mlflow-{faulty.stack.name}-")
                killed[service] += kill(faulty.stack.container(service))
                time.sleep(chance.uniform(2, 30))
                if time.monotonic() > until_end:
                    break
        ended = time.time()
        faulty.is_well(HEALED)
        print(f"killed {dict(killed)}; all was well {time.time() - ended:.0f} s after the last")
        writers.both_store(120)
    assert min(killed[name.removeprefix(f"mlflow-{faulty.stack.name}-")] for name in names) > 0
    assert writers.differing() == []
    verified = faulty.stack.platform("backup", "verify", "--deep")
    assert verified.returncode == 0, verified.stderr


def test_everything_that_dies_at_once_comes_back_in_whatever_order(faulty: Faulty):
    """As when Docker or the machine is restarted: nobody waits for anybody."""
    with Writers(faulty.platform) as writers:
        writers.both_store(120)
        containers = faulty.stack.containers()
        counts = {container.name: container.attrs["RestartCount"] for container in containers}
        with ThreadPoolExecutor(len(containers)) as pool:
            assert all(pool.map(kill, containers))
        ended = time.time()

        def all_again() -> bool:
            return all(it.attrs["RestartCount"] > counts[it.name] for it in faulty.stack.containers())

        until(all_again, 60, "Docker starts all of them again")
        faulty.is_well(HEALED)
        print(f"\nall was well {time.time() - ended:.0f} s after all had been killed")
        writers.both_store(120)
        assert writers.refused_since(ended, "metric")
    assert writers.differing() == []
