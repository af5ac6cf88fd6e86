"""A training script as anybody writes it: nothing in it is about logins, tokens, storage or outages."""

import time
from pathlib import Path

import mlflow

mlflow.set_experiment("long training")
with mlflow.start_run() as run:
    print(run.info.run_id, flush=True)
    for step in range(1000):
        time.sleep(0.06)
        mlflow.log_metric("loss", 1 / (1 + step), step=step)
        if step % 20 == 19:
            checkpoint = Path(f"checkpoint-{step}.bin")
            checkpoint.write_bytes(step.to_bytes(2, "big") * 500_000)
            mlflow.log_artifact(str(checkpoint))
        print(step, flush=True)
