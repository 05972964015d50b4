"""Route any model's recorded logits again under any registered rule, and count dropped tokens."""

from moebench.replay.placement import Placement, place
from moebench.replay.recording import Recording, open_recording
from moebench.replay.rules import Rule, parse_rules
from moebench.replay.run import replay

__all__ = ["Placement", "Recording", "Rule", "open_recording", "parse_rules", "place", "replay"]
