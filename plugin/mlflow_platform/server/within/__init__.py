"""In comes MLflow's app as it is made, and then what the gate lets through to it, and its own jobs' calls.
Out goes the app with its limits: for bodies, turns and storage, and without what it does twice at every request.
It never takes a token or a cookie of anybody's, and opens nothing that MLflow's permissions keep closed.
"""
