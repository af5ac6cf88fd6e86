"""What must not reach a log."""

import logging


class WithoutQuery(logging.Filter):
    """Cuts the query string off uvicorn's access records: people put secrets there, whatever a server accepts."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:  # client, method, path, version, status
            client, method, path, version, status = record.args
            record.args = (client, method, str(path).partition("?")[0], version, status)
        return True
