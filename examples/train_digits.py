"""Trains a classifier of handwritten digits and registers it. Plain MLflow: `mlflow-platform login` does the rest."""

import mlflow
from mlflow.models import infer_signature
from mlflow.sklearn import log_model
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

images, labels = load_digits(return_X_y=True)
train_images, test_images, train_labels, test_labels = train_test_split(images, labels, random_state=0)

mlflow.set_experiment("digits")
with mlflow.start_run() as run:
    parameters = {"C": 0.01, "max_iter": 1000}
    model = LogisticRegression(**parameters).fit(train_images, train_labels)
    accuracy = model.score(test_images, test_labels)

    mlflow.log_params(parameters)
    mlflow.log_metric("accuracy", accuracy)
    signature = infer_signature(test_images, model.predict(test_images))
    log_model(model, name="model", signature=signature, registered_model_name="digits")
    print(f"run {run.info.run_id}: accuracy {accuracy:.3f}")
