"""From pictures to X, and from X to what a net sees."""

from ._scaling import PixelScale, check_finite
from ._views import ViewLayout

__all__ = ["PixelScale", "ViewLayout", "check_finite"]
