"""From a Request to frames: resolve (pure, no torch), run (weights), resume, output."""
