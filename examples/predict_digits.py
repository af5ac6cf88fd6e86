"""Loads the newest registered model of examples/train_digits.py and reads ten digits with it."""

import mlflow
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
model = mlflow.pyfunc.load_model("models:/digits/latest")
print("read ", *model.predict(images[:10]))
print("truth", *labels[:10])
