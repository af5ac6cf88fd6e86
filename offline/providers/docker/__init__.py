"""Stand-in for the docker plugin (pulumi-docker 5.2.0, over kreuzwerker/terraform-provider-docker 4), on docker-py."""

from ..base import Prop, StandIn
from .api import connect
from .container import Container
from .image import Image
from .network import Network
from .remote_image import RemoteImage
from .volume import Volume

PROVIDER = StandIn(
    "docker",
    "5.2.0",
    [Network(), Volume(), Image(), RemoteImage(), Container()],
    connect=connect,
    config={"host": Prop(str)},
)
