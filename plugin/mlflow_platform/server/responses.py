"""Answers of the outer layer, in the shape that MLflow's clients read."""

from starlette.responses import JSONResponse


def error(status: int, code: str, message: str, **headers: str) -> JSONResponse:
    """An error as MLflow's clients know it; a header name is given with underscores."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error_code": code, "message": message}, status, {"Cache-Control": "no-store", **names})


def unauthenticated(reason: str) -> JSONResponse:
    return error(
        401,
        "UNAUTHENTICATED",
        f"Not authenticated: {reason}.",
        WWW_Authenticate='Bearer realm="mlflow"',
    )


def forbidden(sentence: str) -> JSONResponse:
    return error(403, "PERMISSION_DENIED", sentence)


def unavailable(sentence: str) -> JSONResponse:
    return error(503, "TEMPORARILY_UNAVAILABLE", sentence, Retry_After="2")
