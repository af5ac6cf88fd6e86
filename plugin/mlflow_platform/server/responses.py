"""Answers of the outer layer, in the shape that MLflow's clients read."""

from starlette.responses import JSONResponse

# Seconds in `Retry-After`. MLflow's client repeats a request seven times after just this pause, whatever it would do
# by itself, so that it sits out nearly two minutes: a restart of Keycloak on a busy machine.
PAUSE = "15"
# Seconds for all that this layer asks of others before it answers: callers hear of what is down within five.
DEADLINE = 4.5


class Error(JSONResponse):
    """An error as MLflow's clients know it; a header name is given with underscores."""

    def __init__(self, status: int, code: str, message: str, **headers: str):
        self.message = message
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__({"error_code": code, "message": message}, status, {"Cache-Control": "no-store", **names})


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, answer: Error):
        super().__init__(answer.message)
        self.answer = answer


def unauthenticated(reason: str) -> Error:
    return Error(401, "UNAUTHENTICATED", f"Not authenticated: {reason}.", WWW_Authenticate='Bearer realm="mlflow"')


def forbidden(sentence: str) -> Error:
    return Error(403, "PERMISSION_DENIED", sentence)


def too_many(seconds: int) -> Error:
    sentence = f"Too many attempts to log in; try again in {seconds} s."
    return Error(429, "RESOURCE_EXHAUSTED", sentence, Retry_After=str(seconds))


def unavailable(sentence: str) -> Error:
    return Error(503, "TEMPORARILY_UNAVAILABLE", sentence, Retry_After=PAUSE)
