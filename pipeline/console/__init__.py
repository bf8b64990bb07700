"""The console for support staff: pages over the same functions as the commands."""
