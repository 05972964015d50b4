"""Where the repository keeps what tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SUPPORT = REPOSITORY / "tests" / "support"
DATA = REPOSITORY / "tests" / "data"
README = REPOSITORY / "README.md"
DOCUMENTATION = [README, *sorted((REPOSITORY / "docs").rglob("*.md"))]
EXAMPLES = REPOSITORY / "examples"
EXAMPLE = EXAMPLES / "tempered_choice.py"
