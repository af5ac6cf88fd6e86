"""MLflow's pages say who is logged in and let one log out: their index.html gets one script of ours."""

from pathlib import Path

from flask import Flask
from flask import Response as Page
from starlette.responses import Response

PATH = "/oidc/account.js"
_SCRIPT = Path(__file__).with_name("account.js").read_bytes()


def script() -> Response:
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(_SCRIPT, media_type="text/javascript", headers=headers)


def show(mlflow: Flask) -> None:
    """Puts the script into the page that MLflow (3.17.2) answers `/` with; the rest of it stays as it is."""
    before, body_ends, after = (Path(str(mlflow.static_folder)) / "index.html").read_text().rpartition("</body>")
    index = f'{before}<script defer src="{PATH}"></script>{body_ends}{after}'
    mlflow.view_functions["serve"] = lambda: Page(index, mimetype="text/html", headers={"Cache-Control": "no-cache"})
