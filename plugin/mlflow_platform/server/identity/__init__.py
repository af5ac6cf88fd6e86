"""In comes the text of a token, whichever way it came to the gate.
Out goes who asks, once the rights that the token gives stand in MLflow's tables, or a reason why nobody does.
It never asks for a token, renews one or looks at a cookie.
"""
