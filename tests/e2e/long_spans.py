"""Spans that a program of others makes, one a second, as MLflow forwards them to the tracking server."""

import sys
import time

from mlflow import otel
from opentelemetry import trace

otel.autolog(batch=False)
tracer = trace.get_tracer("others")
for number in range(int(sys.argv[1])):
    with tracer.start_as_current_span(f"span {number}"):
        time.sleep(1)
