"""s3fs, and with it whatever takes fsspec's files."""

import os
import time
import urllib.request
from pathlib import Path

import s3fs

bucket, big = os.environ["BUCKET"], Path(os.environ["BIG"])
files = s3fs.S3FileSystem(profile="mlflow")
(Path.cwd() / "folder").mkdir(exist_ok=True)
(Path.cwd() / "folder/a").write_text("a")
for at in (f"{bucket}/s3fs/before", f"{bucket}/s3fs/after"):
    files.put(str(big), f"{at}/big")
    assert files.cat(f"{at}/big") == big.read_bytes()
    files.copy(f"{at}/big", f"{at}/copied")
    files.mv(f"{at}/copied", f"{at}/moved")
    files.put("folder", at, recursive=True)
    assert files.find(at) == [f"{at}/big", f"{at}/folder/a", f"{at}/moved"]
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(files.sign(f"{at}/moved")) as answer:
        assert answer.read() == big.read_bytes()
    if at.endswith("before"):
        time.sleep(float(os.environ["WAIT"]))
print("done")
