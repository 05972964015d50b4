"""Numbers that papers print, to compare with."""
