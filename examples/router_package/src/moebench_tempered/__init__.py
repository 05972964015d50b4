"""Register the router of this package."""

from moebench_tempered.router import PackagedTemperedChoice

__all__ = ["PackagedTemperedChoice"]
